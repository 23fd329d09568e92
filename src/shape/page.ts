/** Cuts a list to what one answer may hold, so that no answer floods a model. */

/** Characters of JSON; about 15,000 tokens, and the text of the same rows is shorter. */
const MOST_CHARACTERS = 50_000;

/** The first rows: at most `limit`, and no more than fit into an answer; one at least. */
export function pageOf<T>(rows: readonly T[], limit: number): T[] {
  const page: T[] = [];
  let size = 0;
  for (const row of rows) {
    size += JSON.stringify(row)?.length ?? 0;
    if (page.length >= limit || (page.length > 0 && size > MOST_CHARACTERS)) break;
    page.push(row);
  }
  return page;
}

/** SHA256SUMS: written, read and checked, in the format of sha256sum and shasum. */
import { createHash } from "node:crypto";

/** File name → SHA-256 in lower-case hex. */
export type Sums = ReadonlyMap<string, string>;

export const SUMS_FILE = "SHA256SUMS";

/** The SHA-256 of a file of any size. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

/** The sums of all files that lie in `folder` itself, but for SHA256SUMS. */
export async function sumsOf(folder: string): Promise<Map<string, string>> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) if (isFile && name !== SUMS_FILE) names.push(name);
  const sums = new Map<string, string>();
  for (const name of names.sort()) sums.set(name, await sha256(`${folder}/${name}`));
  return sums;
}

/** The text of SHA256SUMS; two blanks, as sha256sum writes them. */
export function formatSums(sums: Sums): string {
  return [...sums].map(([name, sum]) => `${sum}  ${name}\n`).join("");
}

/** Reads SHA256SUMS. @throws {Error} for a line that is none, a name that is a path, or one that stands there twice */
export function parseSums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(line) ?? [];
    if (sum === undefined || name === undefined) throw new Error(`${SUMS_FILE} holds the line ${JSON.stringify(line)}`);
    if (sums.has(name)) throw new Error(`${SUMS_FILE} names ${name} twice`);
    sums.set(name, sum);
  }
  if (!text.endsWith("\n")) throw new Error(`${SUMS_FILE} has no line, or its last one does not end`);
  return sums;
}

/** What is wrong between SHA256SUMS and the files beside it, a sentence each. */
export async function sumFaults(folder: string): Promise<string[]> {
  const said = parseSums(await Deno.readTextFile(`${folder}/${SUMS_FILE}`));
  const found = await sumsOf(folder);
  return [...new Set([...said.keys(), ...found.keys()])].flatMap((name) => {
    if (!found.has(name)) return [`${name} stands in ${SUMS_FILE} and is not there`];
    if (!said.has(name)) return [`${name} does not stand in ${SUMS_FILE}`];
    return said.get(name) === found.get(name) ? [] : [`${name} is not the file that ${SUMS_FILE} names`];
  });
}

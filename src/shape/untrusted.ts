/** Makes text that a guest or a stranger supplied safe to show: it can neither steer a terminal nor hide words. */

/** Whole escape sequences of terminals, so that their parameters do not stay behind as text. */
// deno-lint-ignore no-control-regex
const escapeSequences = /\x1b(?:\[[0-?]*[ -\/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -\/]*[0-~])?/g;

/** Control characters but tab and newline. */
// deno-lint-ignore no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * Characters that show as nothing or reorder what is shown: bidirectional marks, zero-width ones, and the tag characters
 * that carry text only a model reads. The joiners U+200C and U+200D stay, as languages and emoji need them.
 */
const invisible =
  /[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/** What nothing is taken out of; nearly all text is such, and each answer is made of hundreds of texts. */
const harmless = /^[\t\n\x20-\x7e]*$/;

/** The text without control and invisible characters; newlines and tabs stay, other line ends become newlines. */
export function cleanText(text: string): string {
  if (harmless.test(text)) return text;
  return text.toWellFormed()
    .replace(escapeSequences, "")
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n")
    .replace(controls, "")
    .replace(invisible, "");
}

/** Cleaned text of at most `max` characters, followed by how many were left out. */
export function untrusted(text: string, max: number): string {
  const clean = cleanText(text);
  if (clean.length <= max) return clean;
  const characters = [...clean];
  if (characters.length <= max) return clean;
  return `${characters.slice(0, max).join("")}… (${characters.length - max} characters left out)`;
}

/**
 * The only file that writes to a terminal. Its rules: while serving, stdout belongs to the protocol and everything for people
 * goes to stderr; writes are synchronous, so that nothing is lost at exit; colours and bars appear on a terminal only; and
 * text that a guest supplied passes `clean` first, as a terminal obeys what it is shown.
 */
import { cells, type Row } from "../shape/table.ts";

export { cleanText as clean } from "../shape/untrusted.ts";

type Stream = "stdin" | "stdout" | "stderr";

/** Writes text to stdout, adding a newline at its end where none is. A reader that has gone away is no error. */
export function out(text: string): void {
  write(Deno.stdout, text);
}

/** Writes bytes to stdout as they are. */
export function outBytes(bytes: Uint8Array): void {
  writeAll(Deno.stdout, bytes);
}

/** Writes text to stderr, adding a newline at its end where none is. A reader that has gone away is no error. */
export function err(text: string): void {
  write(Deno.stderr, text);
}

/** Whether a person is at the other end. */
export function isTerminal(stream: Stream = "stdout"): boolean {
  return Deno[stream].isTerminal();
}

/** Puts a question to the person at the terminal; anything but a clear yes is a no. */
export function askYesNo(question: string): boolean {
  writeAll(Deno.stderr, `${question} [y/N] `);
  const bytes = new Uint8Array(64);
  const read = Deno.stdin.readSync(bytes) ?? 0;
  return /^y(?:es)?$/i.test(new TextDecoder().decode(bytes.subarray(0, read)).trim());
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** Text in a style, where the stream is a terminal and NO_COLOR is not set; elsewhere the text itself. */
export function styled(style: keyof typeof styles, text: string, stream: "stdout" | "stderr" = "stdout"): string {
  return Deno.noColor || !isTerminal(stream) ? text : `\x1b[${styles[style]}m${text}\x1b[0m`;
}

/** A line on stderr that shows how far a long wait has come. */
export interface ProgressBar {
  /** `ratio` is 0–1, or undefined where the end is not known. */
  update(message: string, ratio?: number): void;
  /** Removes the line. */
  done(): void;
}

/** Starts a progress bar; where stderr is not a terminal it stays silent. */
export function progressBar(): ProgressBar {
  if (!isTerminal("stderr")) return { update: () => {}, done: () => {} };
  return {
    update(message, ratio) {
      // Some pseudo-terminals report a width of 0.
      const width = Deno.consoleSize().columns || 80;
      writeAll(Deno.stderr, `\r\x1b[K${progressLine(message, ratio, width)}`);
    },
    done() {
      writeAll(Deno.stderr, "\r\x1b[K");
    },
  };
}

/** One line of a progress bar that fits into `width` columns. */
export function progressLine(message: string, ratio: number | undefined, width: number): string {
  const filled = ratio === undefined ? 0 : Math.round(Math.min(1, Math.max(0, ratio)) * 20);
  const bar = ratio === undefined ? "" : `${"█".repeat(filled)}${"░".repeat(20 - filled)} `;
  return [...`${bar}${message.replace(/\s+/g, " ")}`].slice(0, Math.max(0, width - 1)).join("");
}

/** A table with padded columns, for people; models get `table`, which spends nothing on spaces. */
export function alignTable(rows: readonly Row[]): string {
  const lines = cells(rows);
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => [...line[column] ?? ""].length)));
  return lines.map((line) =>
    line.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - [...cell].length)).join("  ").trimEnd()
  ).join("\n");
}

interface SyncWriter {
  writeSync(bytes: Uint8Array): number;
}

function write(stream: SyncWriter, text: string): void {
  writeAll(stream, text.endsWith("\n") ? text : `${text}\n`);
}

/** Writes everything: one call may take a part only. */
function writeAll(stream: SyncWriter, content: string | Uint8Array): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  try {
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Writes a file of settings: whole or not at all, for its owner only, and never through a link. */
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { UsageError } from "../errors.ts";

/** Name → value, in the order in which they are to stand there. */
export type Values = Readonly<Record<string, string>>;

/** In quotes where the file's format could read more into it. */
function line(name: string, value: string): string {
  const plain = /^[\w@!.:,/+=-]*$/.test(value) ? [value] : [];
  const forms = [...plain, `'${value}'`, `"${value}"`, `\`${value}\``].map((form) => `${name}=${form}`);
  const safe = forms.find((form) => !/[\r\n]/.test(value) && parseEnv(form)[name] === value);
  if (safe === undefined) throw new UsageError(`${name} cannot be written to a file.`, "Set it in the environment.");
  return safe;
}

/** The text of the file. @throws {UsageError} for a value that no line can hold */
export function settingsText(values: Values): string {
  const lines = Object.entries(values).map(([name, value]) => line(name, value));
  const text = ["# Settings of proxmox-mcp. It holds a secret: keep it to yourself.", ...lines, ""].join("\n");
  // A quote that is open at the end of a line would swallow the next one.
  const read = parseEnv(text);
  const wrong = Object.keys(values).find((name) => read[name] !== values[name]);
  if (wrong === undefined) return text;
  throw new UsageError(`${wrong} cannot be written to a file.`, "Set it in the environment.");
}

/** What is at a path: nothing, a file that could be replaced, or something that must not be touched. */
export function whatIsAt(path: string): "nothing" | "file" | "else" {
  try {
    return Deno.lstatSync(path).isFile ? "file" : "else";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "nothing";
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): UsageError {
  if (error instanceof Deno.errors.NotCapable) {
    return new UsageError(
      `This process may not write ${path}.`,
      "Start it with deno task init, or with --allow-write.",
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new UsageError(`${path} cannot be written: ${reason}.`, "Name a file in a folder that you may write to.");
}

/**
 * Writes the file, and the folder where there is none. It appears with its whole content, by a rename.
 * @throws {UsageError} for a link, a folder or a device at the path, for a file that is there unless `replace`, and where
 *   the folder takes no file
 */
export function writeSettings(path: string, values: Values, replace: boolean): void {
  const text = settingsText(values);
  const there = whatIsAt(path);
  if (there === "else") {
    throw new UsageError(`${path} is a link or no regular file.`, "Name another file; a link is not followed.");
  }
  if (there === "file" && !replace) throw new UsageError(`${path} is there already.`, "Name another, or add --force.");
  const temporary = join(dirname(path), `.proxmox-mcp-${crypto.randomUUID()}.tmp`);
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(text);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      file.syncSync();
    } catch (error) {
      forget(temporary);
      throw error;
    }
    // A link that appeared in between is replaced as a link: rename does not follow it.
    Deno.renameSync(temporary, path);
  } catch (error) {
    forget(temporary);
    throw unwritable(path, error);
  }
}

function forget(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was never made, or has its place already.
  }
}

/** Puts questions to the person at the terminal; every one can be left with Ctrl-C. */
import process from "node:process";
import { UsageError } from "../errors.ts";

/** The person pressed Ctrl-C or Escape: nothing was written. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

/** One of several answers. */
export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

/** The person's side; a `check` returns what is wrong with an answer, which is then asked for again. */
export interface Prompts {
  text(question: string, start: string, check?: (answer: string) => string | undefined): Promise<string>;
  secret(question: string, check: (answer: string) => string | undefined): Promise<string>;
  choose<T extends string>(question: string, choices: readonly Choice<T>[]): Promise<T>;
  confirm(question: string): Promise<boolean>;
  /** Good news, and what goes on. */
  tell(text: string): void;
  /** What takes a moment, before it is begun. */
  begin(text: string): void;
  /** What went wrong. */
  fault(text: string): void;
  /** Lines to be copied: nothing stands around them. */
  copy(title: string, lines: readonly string[]): void;
  end(text: string): void;
}

/** A check of answers from what reads a setting. */
export function complaint(parse: (text: string) => unknown): (text: string) => string | undefined {
  return (text) => {
    try {
      parse(text);
      return undefined;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return `${error.message} ${error.remedy ?? ""}`.trim();
    }
  };
}

/**
 * Prompts on this terminal. The library and Deno's node:tty look for settings of their own in the environment, which a
 * compiled binary may not read: they get a plain object with what they need.
 */
export async function terminalPrompts(title: string, write: (text: string) => void): Promise<Prompts> {
  const plain = Deno.noColor ? { NO_COLOR: "1" } : {};
  Object.defineProperty(process, "env", { value: { TERM: "xterm-256color", ...plain } });
  const clack = await import("@clack/prompts");
  clack.intro(title);
  return {
    async text(question, start, check) {
      const validate = (answer: string | undefined) => check?.((answer ?? "").trim() || start);
      const answer = await clack.text({ message: question, placeholder: start, defaultValue: start, validate });
      if (typeof answer === "symbol") throw new Cancelled("Cancelled");
      return answer.trim() || start;
    },
    async secret(question, check) {
      const validate = (answer: string | undefined) => check((answer ?? "").trim());
      const answer = await clack.password({ message: question, validate });
      if (typeof answer === "symbol") throw new Cancelled("Cancelled");
      return answer.trim();
    },
    async choose(question, choices) {
      const options = choices.map(({ value, label, hint = "" }) => ({ value: String(value), label, hint }));
      const answer = await clack.select<string>({ message: question, options });
      const found = choices.find(({ value }) => value === answer);
      if (found === undefined) throw new Cancelled("Cancelled");
      return found.value;
    },
    async confirm(question) {
      const answer = await clack.confirm({ message: question, initialValue: false });
      if (typeof answer === "symbol") throw new Cancelled("Cancelled");
      return answer;
    },
    tell: (text) => clack.log.success(text),
    begin: (text) => clack.log.info(text),
    fault: (text) => clack.log.error(text),
    copy(heading, lines) {
      clack.log.step(heading);
      write(`\n${lines.join("\n")}\n\n`);
    },
    end: (text) => clack.outro(text),
  };
}

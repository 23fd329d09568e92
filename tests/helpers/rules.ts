/** What a rule lets through: letter by letter and length by length, the nearest values on both sides of every limit. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import type { Rule, Scalar } from "../../src/safety/rules.ts";

export const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
export const LOWER = UPPER.toLowerCase();
export const DIGITS = "0123456789";
export const LETTERS = UPPER + LOWER;
export const WORD = LETTERS + DIGITS;
/** All of ASCII, a fullwidth digit, an Arabic one, a Cyrillic letter, a non-breaking space, a line separator. */
export const EVERY = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  "１",
  "٣",
  "а",
  "\u00a0",
  "\u2028",
];

/** A value that is sent as it is, or as the second of a pair. */
export type Passing = Scalar | readonly [Scalar, string];

export function passes(rule: Rule, ...values: readonly Passing[]): void {
  for (const one of values) {
    const [value, sent] = typeof one === "object" ? one : [one, String(one)];
    assert.equal(rule(value, "x"), sent);
  }
}

export function refuses(rule: Rule, ...values: readonly Scalar[]): void {
  for (const value of values) assert.throws(() => rule(value, "x"), Refusal, `${JSON.stringify(value)} got through`);
}

/** Exactly the characters of `allowed` may stand where `put` puts them. */
export function letters(rule: Rule, put: (char: string) => string, allowed: string): void {
  for (const char of EVERY) {
    if (allowed.includes(char)) passes(rule, put(char));
    else refuses(rule, put(char));
  }
}

/** Exactly the lengths from `minimum` to `maximum` pass. */
export function lengths(rule: Rule, make: (length: number) => string, minimum: number, maximum: number): void {
  passes(rule, make(minimum), make(minimum + 1), make(maximum - 1), make(maximum));
  refuses(rule, make(maximum + 1), ...minimum > 0 ? [make(minimum - 1)] : []);
}

export const many = (count: number, char = "a") => char.repeat(Math.max(0, count));

/** Reads settings that are a plain true or false, or a whole number. */
import { UsageError } from "../errors.ts";
import type { Variable } from "./settings.ts";

/** A typo must never widen access, so only these eight words are booleans. */
export function parseBoolean(variable: Variable, text: string): boolean {
  switch (text.toLowerCase()) {
    case "true":
    case "1":
    case "yes":
    case "on":
      return true;
    case "false":
    case "0":
    case "no":
    case "off":
      return false;
    default:
      throw new UsageError(`${variable} is ${JSON.stringify(text)}.`, "Set it to true or false.");
  }
}

export function parseWhole(variable: Variable, text: string, max: number, unit: string): number {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > max) {
    throw new UsageError(`${variable} is ${JSON.stringify(text)}.`, `Give a whole number of ${unit} from 1 to ${max}.`);
  }
  return value;
}

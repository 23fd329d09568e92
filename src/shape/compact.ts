/** Drops what says nothing from an answer: undefined, null, empty text, empty lists, empty objects. */

/** A type after `dropEmpty`: numbers and booleans stay, all else may be missing. */
export type Compact<T> = T extends readonly (infer E)[] ? Compact<E>[]
  : T extends object ?
      & { [K in keyof T as T[K] extends number | boolean ? K : never]: T[K] }
      & { [K in keyof T as T[K] extends number | boolean ? never : K]?: Compact<Exclude<T[K], null | undefined>> }
  : T;

/**
 * A copy without empty properties, at every depth. The elements of lists are emptied, never dropped: their position means
 * something.
 */
export function dropEmpty<T extends object>(object: T): Compact<T>;
export function dropEmpty(object: object): unknown {
  return compact(object);
}

function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(compact);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, compact(part)]).filter(([, part]) => !isEmpty(part)),
  );
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** Converts what models send as text into what the schema declares, where the text is exact: "100", "true", "{…}". */

/** The part of a JSON Schema that says what a value must be. */
export interface Declared {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Declared>>;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An exact number: no blanks, no exponent, no leading zeros, and nothing lost in the conversion. */
function exactNumber(text: string): number | undefined {
  return /^-?(?:0|[1-9]\d{0,15})(?:\.\d{1,9})?$/.test(text) && String(Number(text)) === text ? Number(text) : undefined;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** A copy of the value with exact texts converted; whatever does not convert stays for the validation to refuse. */
export function coerce(value: unknown, declared: Declared): unknown {
  if (declared.type === "object") {
    const object = typeof value === "string" ? jsonObject(value) ?? value : value;
    if (!isRecord(object)) return value;
    const properties = declared.properties ?? {};
    return Object.fromEntries(
      Object.entries(object).map(([name, part]) => {
        const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
        return [name, schema === undefined ? part : coerce(part, schema)];
      }),
    );
  }
  if (typeof value !== "string") return value;
  if (declared.type === "integer" || declared.type === "number") return exactNumber(value) ?? value;
  if (declared.type === "boolean") return value === "true" ? true : value === "false" ? false : value;
  return value;
}

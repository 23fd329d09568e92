/** PVE's schema for the simulated calls: the generated facts, given a type. */
import generated from "./schema.gen.json" with { type: "json" };
import type { SimulatorApi } from "./schema.gen.ts";

export type SimulatorCall = keyof SimulatorApi;

/** One parameter, or one key of a property string. */
export interface Field {
  readonly type: string | undefined;
  readonly optional: boolean;
  readonly enum: readonly string[] | undefined;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  readonly pattern: RegExp | undefined;
  readonly format: string | Format | undefined;
  readonly default_key: boolean;
  readonly alias: string | undefined;
  readonly keyAlias: string | undefined;
  readonly requires: string | undefined;
  readonly items: Field | undefined;
}

/** The format of a property string: key → field. */
export type Format = Readonly<Record<string, Field>>;

/** What PVE knows of one call. */
export interface Schema {
  readonly parameters: Format;
  /** Undefined: only root@pam itself, no token. Otherwise PVE's own expression, see access.ts. */
  readonly permissions: { readonly user: string } | { readonly check: unknown } | undefined;
}

/** Whether a value is a plain object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function word(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Limits can be strings in PVE's schema. */
function limit(value: unknown): number | undefined {
  return typeof value === "number" || typeof value === "string" ? Number(value) : undefined;
}

/** Perl's (?^:…) has no flags; everything else in the schema's patterns is read alike. */
function pattern(value: unknown): RegExp | undefined {
  if (typeof value !== "string") return undefined;
  let source = value.replaceAll("(?^:", "(?:");
  const flags = source.includes("(?^i:") || source.includes("(?i)") ? "i" : "";
  source = source.replaceAll("(?^i:", "(?:").replaceAll("(?i)", "");
  try {
    return new RegExp(`^(?:${source})$`, flags);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function fieldOf(value: unknown): Field {
  const fact = isRecord(value) ? value : {};
  return {
    type: word(fact.type),
    optional: fact.optional === 1,
    enum: Array.isArray(fact.enum) ? fact.enum.map(String) : undefined,
    minimum: limit(fact.minimum),
    maximum: limit(fact.maximum),
    minLength: limit(fact.minLength),
    maxLength: limit(fact.maxLength),
    pattern: pattern(fact.pattern),
    format: isRecord(fact.format) ? formatOf(fact.format) : word(fact.format),
    default_key: fact.default_key === 1,
    alias: word(fact.alias),
    keyAlias: word(fact.keyAlias),
    requires: word(fact.requires),
    items: fact.items === undefined ? undefined : fieldOf(fact.items),
  };
}

function formatOf(value: unknown): Format {
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, fieldOf(field)]))
    : {};
}

const facts: Readonly<Record<string, unknown>> = generated;
const parsed = new Map<string, Schema>();

/** Parsed at the first use of each call: the whole takes longer than a start should. */
export function schemaOf(call: SimulatorCall): Schema {
  const known = parsed.get(call);
  if (known !== undefined) return known;
  const fact = facts[call];
  const record = isRecord(fact) ? fact : {};
  const permissions = isRecord(record.permissions) ? record.permissions : undefined;
  const schema: Schema = {
    parameters: formatOf(record.parameters),
    permissions: permissions === undefined
      ? undefined
      : permissions.check === undefined
      ? { user: word(permissions.user) ?? "all" }
      : { check: permissions.check },
  };
  parsed.set(call, schema);
  return schema;
}

/** The field of a parameter; `net0` is found as `net[n]`. */
export function fieldFor(parameters: Format, name: string): Field | undefined {
  if (Object.hasOwn(parameters, name) && !name.endsWith("[n]")) return parameters[name];
  const family = /^(.*[a-z])\d+$/.exec(name)?.[1];
  return family === undefined || !Object.hasOwn(parameters, `${family}[n]`) ? undefined : parameters[`${family}[n]`];
}

/** The format map of an option of VMs or containers, as in ("qemu", "net0"). */
export function optionFormat(kind: "qemu" | "lxc", option: string): Format {
  const schema = schemaOf(kind === "qemu" ? "POST /nodes/{node}/qemu" : "POST /nodes/{node}/lxc");
  const format = fieldFor(schema.parameters, option)?.format;
  return typeof format === "object" ? format : {};
}

/** Options that PVE's configuration files know. */
export function optionField(kind: "qemu" | "lxc", option: string): Field | undefined {
  const call = kind === "qemu" ? "PUT /nodes/{node}/qemu/{vmid}/config" : "PUT /nodes/{node}/lxc/{vmid}/config";
  return fieldFor(schemaOf(call).parameters, option);
}

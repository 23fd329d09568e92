/** The guarantee as data: what can be sent, what is refused, what is not promised; made from the catalogue and its rules. */
import type { Tool } from "../tool.ts";
import { type Call, catalogue } from "./catalogue.ts";
import { wordsOf } from "./checks.ts";
import { entryOf, isCall } from "./gate.ts";
import { ENTERING } from "./policy.ts";
import { notPromised, refusedCalls } from "./refused_calls.ts";
import { refusedParameters } from "./refused_parameters.ts";
import { refusedValues } from "./refused_values.ts";

/** A request that reads. */
export interface ReadRow {
  readonly call: Call;
  readonly parameters: readonly string[];
}

/** Requests that write, of VMs and of containers in one row where they differ in nothing else. */
export interface WriteRow {
  readonly calls: readonly Call[];
  /** As in "POST /nodes/{node}/{qemu|lxc}/{vmid}/status/start". */
  readonly request: string;
  readonly tools: readonly string[];
  readonly required: readonly string[];
  /** The parameters that may be left out. */
  readonly optional: readonly string[];
  /** The state check, in words. */
  readonly check: string;
}

/** What a parameter of a write may be. */
export interface ParameterRow {
  readonly names: readonly string[];
  readonly says: string;
}

export interface RefusedRow {
  readonly what: string;
  readonly why: string;
}

export interface Guarantee {
  readonly reads: readonly ReadRow[];
  readonly writes: readonly WriteRow[];
  readonly parameters: readonly ParameterRow[];
  readonly refused: {
    readonly calls: readonly RefusedRow[];
    readonly parameters: readonly RefusedRow[];
    readonly values: readonly RefusedRow[];
  };
  readonly notPromised: readonly string[];
}

/** Which test holds the rows of a section; a row that is wrong makes it fail. */
export const heldBy = {
  reads: "tests/safety/catalogue_test.ts",
  writes: "tests/safety/catalogue_test.ts",
  checks: "tests/safety/checks_test.ts",
  headroom: "tests/safety/headroom_test.ts",
  parameters: "tests/safety/values_test.ts",
  devices: "tests/safety/devices_test.ts",
  refused: "tests/safety/refused_test.ts",
} as const;

/** The guarantee as it stands in this program. */
export function guarantee(tools: readonly Pick<Tool, "name" | "calls">[]): Guarantee {
  const calls = Object.keys(catalogue).filter(isCall);
  const writing = calls.filter((call) => !call.startsWith("GET "));
  return {
    reads: calls.filter((call) => call.startsWith("GET "))
      .map((call) => ({ call, parameters: Object.keys(entryOf(call).params) })),
    writes: writeRows(writing, tools),
    parameters: parameterRows(writing),
    refused: {
      calls: refusedCalls.map(({ what, why }) => ({ what, why })),
      parameters: refusedParameters.map(({ names, shown, calls, why }) => ({
        what: (shown ?? names.join(", ")) + (calls === undefined ? "" : ` (in ${calls.join(", ")})`),
        why,
      })),
      values: refusedValues.map(({ what, why }) => ({ what, why })),
    },
    notPromised,
  };
}

/** What stands in the place of a state check: no state makes a command harmless. */
const ONLY_EXEC =
  "Sent only where PROXMOX_ENABLE_EXEC is true, to guests that PROXMOX_EXEC_GUESTS and PROXMOX_PROTECTED let in";

function writeRows(calls: readonly Call[], tools: readonly Pick<Tool, "name" | "calls">[]): WriteRow[] {
  const rows = new Map<string, WriteRow>();
  for (const call of calls) {
    const { params, required = [], check } = entryOf(call);
    const optional = Object.keys(params).filter((name) => !required.includes(name));
    const request = call.replace(/\/(?:qemu|lxc)(?=\/|$)/, "/{qemu|lxc}");
    // Parameters with other rules keep VMs and containers apart.
    const key = JSON.stringify([request, required, optional.map((name) => [name, params[name]?.says]), check]);
    const before = rows.get(key);
    const users = tools.filter((tool) => tool.calls.includes(call)).map(({ name }) => name);
    rows.set(key, {
      calls: [...before?.calls ?? [], call],
      request: before === undefined ? call : request,
      tools: [...new Set([...before?.tools ?? [], ...users])],
      required,
      optional,
      check: check !== undefined ? wordsOf(check) : ENTERING.includes(call) ? ONLY_EXEC : "none",
    });
  }
  return [...rows.values()];
}

/** One row for all parameters that may be the same; a name with two meanings says whose it is. */
function parameterRows(calls: readonly Call[]): ParameterRow[] {
  const meanings = new Map<string, Map<string, Set<string>>>();
  for (const call of calls) {
    for (const [name, { says }] of Object.entries(entryOf(call).params)) {
      const of = meanings.get(name) ?? new Map<string, Set<string>>();
      of.set(says, (of.get(says) ?? new Set()).add(call.includes("/lxc") ? "container" : "VM"));
      meanings.set(name, of);
    }
  }
  const rows = new Map<string, string[]>();
  for (const [name, of] of meanings) {
    for (const [says, owners] of of) {
      const shown = of.size === 1 ? name : `${name} of a ${[...owners].join(" or ")}`;
      rows.set(says, [...rows.get(says) ?? [], shown]);
    }
  }
  return [...rows].map(([says, names]) => ({ says, names }));
}

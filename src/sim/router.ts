/** Finds the call that a method and a path mean, as in "GET /nodes/{node}/status". */
import type { SimulatorCall } from "./schema.ts";

interface Branch {
  readonly fixed: Map<string, Branch>;
  variable: { readonly name: string; readonly branch: Branch } | undefined;
  readonly calls: Map<string, SimulatorCall>;
}

/** Volume ids hold slashes: {volume} takes the rest of the path. */
const REST = new Set(["volume"]);

function branch(): Branch {
  return { fixed: new Map(), variable: undefined, calls: new Map() };
}

/** A call with the variables of its path. */
export interface Found {
  readonly call: SimulatorCall;
  readonly variables: ReadonlyMap<string, string>;
}

/** A finder over the given calls. */
export function createRouter(
  calls: readonly SimulatorCall[],
): (method: string, path: readonly string[]) => Found | undefined {
  const root = branch();
  for (const call of calls) {
    const space = call.indexOf(" ");
    let here = root;
    for (const segment of call.slice(space + 1).split("/").filter((part) => part !== "")) {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name !== undefined) {
        here.variable ??= { name, branch: branch() };
        here = here.variable.branch;
      } else {
        const next = here.fixed.get(segment) ?? branch();
        here.fixed.set(segment, next);
        here = next;
      }
    }
    here.calls.set(call.slice(0, space), call);
  }
  return (method, path) => {
    const variables = new Map<string, string>();
    let here = root;
    for (const [index, segment] of path.entries()) {
      const fixed = here.fixed.get(segment);
      if (fixed !== undefined) here = fixed;
      else if (here.variable !== undefined) {
        const rest = REST.has(here.variable.name);
        variables.set(here.variable.name, rest ? path.slice(index).join("/") : segment);
        here = here.variable.branch;
        if (rest) break;
      } else return undefined;
    }
    const call = here.calls.get(method);
    return call === undefined ? undefined : { call, variables };
  };
}

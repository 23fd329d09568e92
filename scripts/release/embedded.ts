/** Reads the permissions that `deno compile` has put into an executable, and holds them against those it should have. */
import { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { VISIBLE_VARIABLES } from "../bundle.ts";

/** null: nothing; an empty list: everything, for `allow_` and for `deny_` alike. */
const list = z.array(z.string()).nullable();

const permissions = z.looseObject({
  ...{ allow_env: list, allow_net: list, allow_read: list, allow_write: list, allow_run: list, allow_sys: list },
  ...{ allow_ffi: list, deny_run: list, deny_sys: list, deny_ffi: list, deny_import: list },
  prompt: z.boolean(),
});

/** The permissions in an executable. @throws {Error} where there are none, or more than one set */
export async function embeddedPermissions(path: string): Promise<z.infer<typeof permissions>> {
  const bytes = Buffer.from((await Deno.readFile(path)).buffer);
  const key = '"permissions":{';
  const sets: string[] = [];
  for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
    const end = bytes.indexOf("}", at);
    const text = bytes.subarray(at + key.length - 1, end + 1).toString("utf8");
    // The words also stand in Deno's own code.
    if (text.includes('"allow_net"')) sets.push(text);
  }
  const [only, ...others] = sets;
  if (only === undefined || others.length > 0) throw new Error(`${path} holds ${sets.length} sets of permissions`);
  return permissions.parse(JSON.parse(only));
}

/** What is wrong with the permissions in an executable, a sentence each; `host` is the host:port of a site build. */
export async function permissionFaults(path: string, host?: string): Promise<string[]> {
  const found = await embeddedPermissions(path);
  const expected = {
    allow_env: VISIBLE_VARIABLES,
    allow_net: host === undefined ? [] : [host],
    allow_read: [],
    allow_write: host === undefined ? [] : null,
    ...{ allow_run: null, allow_sys: null, allow_ffi: null, deny_run: [], deny_sys: [], deny_ffi: [], deny_import: [] },
    prompt: false,
  };
  return Object.entries(expected).flatMap(([name, value]) =>
    isDeepStrictEqual(found[name], value)
      ? []
      : [`${name} is ${JSON.stringify(found[name])}, and should be ${JSON.stringify(value)}`]
  );
}

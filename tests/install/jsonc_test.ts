/** Entries in generated JSON files with comments: nothing but the entry changes, and taking it out gives back the same bytes. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { parse } from "jsonc-parser";
import { clientOf } from "../../src/install/clients.ts";
import { added, entriesFor, removed } from "../../src/install/entry.ts";
import { isRecord, put, read, take } from "../../src/install/jsonc.ts";
import { UsageError } from "../../src/errors.ts";

const file = "mcp.json";

function client(id: string) {
  const found = clientOf(id);
  assert.ok(found !== undefined);
  return found;
}

/** White space and comments as people and programs leave them between two words. */
const gap = (eol: string) =>
  fc.array(
    fc.constantFrom("", " ", "\t", eol, eol + "  ", `// note, "a": {}${eol}`, "/* , } */", `/* two${eol} lines */`),
    { maxLength: 3 },
  ).map((parts) => parts.join(""));

const scalar = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string()).map((value) =>
  JSON.stringify(value)
);

/** An object or array of `members`, with any gaps and perhaps a comma at its end. */
function listOf(open: string, close: string, members: fc.Arbitrary<string>, eol: string): fc.Arbitrary<string> {
  return fc.tuple(fc.array(fc.tuple(gap(eol), members, gap(eol)), { maxLength: 4 }), gap(eol), fc.boolean()).map(
    ([parts, end, trailing]) => {
      const text = parts.map((part) => part.join("")).join(",");
      return `${open}${text}${trailing && parts.length > 0 ? "," : ""}${end}${close}`;
    },
  );
}

const key = fc.oneof(fc.constantFrom("one", "two words", "três", 'quo"ted', "command", "mcp.x"), fc.string()).filter((
  name,
) => !["mcpServers", "servers", "inputs", "proxmox", "id", "__proto__"].includes(name));

function uniqueKeys(text: string): boolean {
  try {
    put(text, { container: "mcpServers", kind: "object", key: "proxmox", value: {} }, file);
    put(text, { container: "servers", kind: "object", key: "proxmox", value: {} }, file);
    put(text, { container: "inputs", kind: "array", key: "proxmox-token-value", value: question }, file);
    return true;
  } catch (error) {
    if (error instanceof UsageError && error.message.includes("twice")) return false;
    throw error;
  }
}

/** Whole files, with and without the containers. */
const files = fc.constantFrom("\n", "\r\n").chain((eol) => {
  const value = fc.oneof(
    scalar,
    listOf("{", "}", fc.tuple(key, scalar).map(([k, v]) => `${JSON.stringify(k)}: ${v}`), eol),
  );
  const pair = fc.tuple(key, gap(eol), gap(eol), value).map(([k, a, b, v]) => `${JSON.stringify(k)}${a}:${b}${v}`);
  const servers = fc.tuple(fc.constantFrom("mcpServers", "servers"), listOf("{", "}", pair, eol))
    .map(([name, text]) => `"${name}": ${text}`);
  const inputs = listOf("[", "]", key.map((id) => `{"id": ${JSON.stringify(id)}}`), eol).map((text) =>
    `"inputs": ${text}`
  );
  const root = listOf("{", "}", fc.oneof(pair, servers, inputs), eol);
  return fc.oneof(
    fc.tuple(gap(eol), root, gap(eol)).map((parts) => parts.join("")),
    gap(eol),
  );
}).filter(uniqueKeys);

const entries = fc.record({
  command: fc.string(),
  args: fc.array(fc.string(), { maxLength: 3 }),
  env: fc.dictionary(fc.constantFrom("A", "B"), fc.constantFrom("x", "${input:proxmox-token-value}", '"\\\n'), {
    noNullPrototype: true,
  }),
}, { noNullPrototype: true });

const question = {
  type: "promptString",
  id: "proxmox-token-value",
  description: "Secret",
  password: true,
} as const;

/** Whether the first text comes out of the second by leaving characters out; blanks before a closing brace may go. */
function isSubsequence(first: string, second: string): boolean {
  const [short, long] = [first.replace(/[ \t]/g, ""), second.replace(/[ \t]/g, "")];
  let at = 0;
  for (const character of long) if (at < short.length && short.startsWith(character, at)) at += character.length;
  return at === short.length;
}

for (const id of ["claude-desktop", "cursor", "vscode"]) {
  const own = client(id);
  Deno.test(`${id}: an entry that is put in and taken out leaves the same bytes`, () => {
    fc.assert(
      fc.property(files, entries, (text, value) => {
        const wanted = entriesFor(own, "proxmox", value, id === "vscode" ? [question] : []);
        const full = added(text, wanted, file);
        assert.deepEqual(read(full, { container: own.container, kind: "object", key: "proxmox" }, file), value);
        assert.ok(isSubsequence(text, full), "something else was changed");
        assert.equal(added(full, wanted, file), full, "the second time changes something");
        const asked = JSON.stringify(value).includes("${input:") || id !== "vscode";
        if (asked) assert.equal(removed(full, own, "proxmox", file, text), text);
      }),
      { numRuns: 500 },
    );
  });

  Deno.test(`${id}: without a copy of the old file all others keep their meaning and their comments`, () => {
    fc.assert(
      fc.property(files, entries, fc.constantFrom("alpha", "zeta"), (text, value, other) => {
        const wanted = entriesFor(own, "proxmox", { ...value, env: {} }, []);
        const beside = { container: own.container, kind: "object", key: other, value: { command: "x" } } as const;
        const both = put(added(text, wanted, file), beside, file);
        const rest = removed(both, own, "proxmox", file, undefined);
        assert.ok(rest !== undefined);
        const only = put(text, beside, file);
        assert.ok(isDeepStrictEqual(plain(rest), plain(only)));
        assert.ok(isSubsequence(rest, both));
        assert.deepEqual(comments(rest), comments(text));
      }),
      { numRuns: 500 },
    );
  });
}

function plain(text: string): unknown {
  const value: unknown = parse(text, [], { allowTrailingComma: true });
  return isRecord(value) ? value : {};
}

function comments(text: string): string[] {
  const bare = text.replace(/"(?:[^"\\\n]|\\.)*"(?=[^]*)/g, (one) => "s".repeat(one.length));
  return bare.match(/\/\/[^\n\r]*|\/\*[^]*?\*\//g) ?? [];
}

Deno.test("an entry follows the file's indentation, line ends and comments", () => {
  const entry = {
    container: "mcpServers",
    kind: "object",
    key: "proxmox",
    value: { command: "x", args: ["y"] },
  } as const;
  const cases = [
    [
      "",
      '{\n  "mcpServers": {\n    "proxmox": {\n      "command": "x",\n      "args": [\n        "y"\n      ]\n    }\n  }\n}\n',
    ],
    [
      '{\r\n\t"mcpServers": {\r\n\t\t"a": {} // mine\r\n\t\t// end\r\n\t}\r\n}',
      '{\r\n\t"mcpServers": {\r\n\t\t"a": {}, // mine\r\n\t\t// end\r\n\t\t"proxmox": {\r\n\t\t\t"command": "x",\r\n\t\t\t"args": [\r\n\t\t\t\t"y"\r\n\t\t\t]\r\n\t\t}\r\n\t}\r\n}',
    ],
    [
      '{\n    "mcpServers": {},\n}\n',
      '{\n    "mcpServers": {\n        "proxmox": {\n            "command": "x",\n            "args": [\n                "y"\n            ]\n        }\n    },\n}\n',
    ],
  ] as const;
  for (const [before, after] of cases) assert.equal(put(before, entry, file), after);
});

Deno.test("a line comment before an entry does not swallow what follows it", () => {
  const slot = { container: "mcpServers", kind: "object", key: "proxmox" } as const;
  const text = '{"mcpServers": { // mine\n"proxmox": {}, "a": {}}}';
  assert.equal(take(text, slot, file), '{"mcpServers": { // mine\n "a": {}}}');
  assert.deepEqual(plain(take('{"mcpServers": { // mine\n"proxmox": {}}}', slot, file)), { mcpServers: {} });
});

Deno.test("what cannot be changed safely is refused, with its place", () => {
  const slot = { container: "mcpServers", kind: "object", key: "proxmox" } as const;
  const entry = { ...slot, value: {} };
  for (
    const [text, says] of [
      ['{\n  "mcpServers": {\n    "a": {}\n    "b": {}\n  }\n}', /line 4, column 5/],
      ['{"mcpServers": {', /close brace expected at line 1, column 17/],
      ['{"a": 1} x', /at line 1, column 10/],
      ["[]", /not an object at line 1, column 1/],
      ['"x"', /not an object/],
      ['{"mcpServers": []}', /"mcpServers" is no object/],
      ['{"mcpServers": null}', /"mcpServers" is no object/],
      ['{"mcpServers": {}, "mcpServers": {}}', /holds "mcpServers" twice/],
      ['{"mcpServers": {"proxmox": 1, "proxmox": 2}}', /holds "proxmox" twice/],
    ] as const
  ) {
    for (const action of [() => put(text, entry, file), () => take(text, slot, file)]) {
      assert.throws(action, { name: "UsageError", message: says });
    }
  }
});

Deno.test("a question that another entry asks, too, stays", () => {
  const vscode = client("vscode");
  const value = { command: "x", env: { A: "${input:proxmox-token-value}" } };
  const one = added("", entriesFor(vscode, "proxmox", value, [question]), file);
  const two = put(one, { container: "servers", kind: "object", key: "other", value }, file);
  const rest = removed(two, vscode, "proxmox", file, undefined) ?? "";
  assert.deepEqual(plain(rest), { servers: { other: value }, inputs: [question] });
});

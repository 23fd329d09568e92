/** The release files: made from one table of targets, they agree with SHA256SUMS and with what will read them. */
import { MANIFEST_SCHEMAS } from "@anthropic-ai/mcpb";
import assert from "node:assert/strict";
import { z } from "zod";
import { settingRows } from "../../src/config/settings.ts";
import { VERSION } from "../../src/version.ts";
import { VISIBLE_VARIABLES } from "../../scripts/bundle.ts";
import { checkRelease, linkFaults } from "../../scripts/release/check.ts";
import { sha256, SUMS_FILE } from "../../scripts/release/checksums.ts";
import { permissionFaults } from "../../scripts/release/embedded.ts";
import { formula, FORMULA_FILE } from "../../scripts/release/formula.ts";
import { mcpbManifest } from "../../scripts/release/mcpb.ts";
import { clearRelease, packageRelease } from "../../scripts/release/package.ts";
import { SBOM_FILE } from "../../scripts/release/sbom.ts";
import { SCOOP_FILE, scoopManifest } from "../../scripts/release/scoop.ts";
import { SERVER_FILE, serverJson } from "../../scripts/release/server_json.ts";
import { bundleOf, fileOf, type Target, targets } from "../../scripts/release/targets.ts";

/** A sum that tells which file it belongs to. */
function sumOf(name: string): string {
  return [...name].map((letter) => letter.charCodeAt(0).toString(16)).join("").padEnd(64, "0").slice(-64);
}

const everything = new Map(
  targets.flatMap((target) => [fileOf(target), bundleOf(target)]).map((name) => [name, sumOf(name)]),
);

/** The files that a text has downloaded. */
function named(text: string): string[] {
  return [...text.matchAll(/releases\/download\/v[^/$]+\/([^"#]+)/g)].map(([, file = ""]) => file).sort();
}

function files(name: (target: Target) => string, ...systems: Target["os"][]): string[] {
  const all: readonly Target[] = targets;
  return all.filter(({ os }) => systems.includes(os)).map(name).sort();
}

Deno.test("formula, manifest and server.json name the files of their systems, each with its own checksum", () => {
  const ruby = formula(everything) ?? "";
  const scoop = JSON.stringify(scoopManifest(everything));
  const server = JSON.stringify(serverJson(everything));
  assert.deepEqual(named(ruby), files(fileOf, "macos", "linux"));
  assert.deepEqual(named(scoop), files(fileOf, "windows"));
  assert.deepEqual(named(server), files(bundleOf, "linux", "macos", "windows"));
  for (const text of [ruby, scoop, server]) assert.deepEqual(linkFaults("it", text, everything), []);
});

Deno.test("a checksum that belongs to another file is found in each of them", () => {
  const texts = [
    formula(everything),
    JSON.stringify(scoopManifest(everything)),
    JSON.stringify(serverJson(everything)),
  ];
  for (const text of texts) {
    for (const file of named(text ?? "")) {
      const changed = new Map([...everything, [file, "f".repeat(64)]]);
      assert.deepEqual(linkFaults("it", text, changed), [`it has another checksum for ${file} than SHA256SUMS`]);
      const without = new Map([...everything].filter(([name]) => name !== file));
      assert.deepEqual(linkFaults("it", text, without), [`it names ${file}, which is not there`]);
    }
  }
  assert.deepEqual(linkFaults("it", "nothing", everything), ["it names no file of the release"]);
});

Deno.test("the formula sorts files by system and processor, and names none that was not built", () => {
  const ruby = formula(everything) ?? "";
  const [, macos = "", linux = ""] = /on_macos do(.*)on_linux do(.*)def install/s.exec(ruby) ?? [];
  assert.match(macos, /on_intel do\s+url "[^"]*-macos-x64"[^]*on_arm do\s+url "[^"]*-macos-arm64"/);
  assert.match(linux, /on_intel do\s+url "[^"]*-linux-x64"[^]*on_arm do\s+url "[^"]*-linux-arm64"/);
  // Homebrew refuses more, and a full stop at the end.
  const [, description = ""] = /desc "([^"]*)"/.exec(ruby) ?? [];
  assert.ok(description.length > 20 && description.length <= 80 && !description.endsWith("."));
  const partly = formula(new Map([[fileOf(targets[0]), sumOf("one")]])) ?? "";
  assert.deepEqual(named(partly), ["proxmox-mcp-linux-x64"]);
  assert.doesNotMatch(partly, /on_macos|on_arm/);
  assert.equal(formula(new Map()), undefined);
});

Deno.test("the Scoop manifest installs one program under one name, and finds the next version's checksums", () => {
  const manifest = z.looseObject({
    bin: z.literal("proxmox-mcp.exe"),
    version: z.literal(VERSION),
    architecture: z.record(z.string(), z.looseObject({ url: z.string().endsWith("#/proxmox-mcp.exe") })),
    autoupdate: z.looseObject({
      architecture: z.record(z.string(), z.looseObject({ url: z.string().includes("/v$version/") })),
      hash: z.object({ url: z.literal(`$baseurl/${SUMS_FILE}`) }),
    }),
  }).parse(scoopManifest(everything));
  assert.deepEqual(Object.keys(manifest.architecture), ["64bit", "arm64"]);
  assert.deepEqual(Object.keys(manifest.autoupdate.architecture), ["64bit", "arm64"]);
  assert.equal(scoopManifest(new Map([[fileOf(targets[0]), sumOf("one")]])), undefined);
});

Deno.test("the official schema takes the manifest of every bundle; the token is kept as a secret", () => {
  const variables: readonly string[] = settingRows.map(({ variable }) => variable);
  for (const target of targets) {
    const parsed = MANIFEST_SCHEMAS["0.3"].parse(mcpbManifest(target));
    const token = parsed.user_config?.token;
    assert.equal(token?.sensitive, true);
    const sensitive = Object.entries(parsed.user_config ?? {}).filter(([, field]) => field.sensitive === true);
    assert.deepEqual(sensitive.map(([key]) => key), ["token"]);
    const env = parsed.server.mcp_config?.env ?? {};
    assert.equal(env.PROXMOX_TOKEN_VALUE, "${user_config.token}");
    for (const [variable, value] of Object.entries(env)) {
      assert.ok(variables.includes(variable), variable);
      const [, key = ""] = /^\$\{user_config\.(\w+)\}$/.exec(value) ?? [];
      assert.ok(parsed.user_config !== undefined && key in parsed.user_config, value);
    }
    assert.equal(parsed.server.mcp_config?.command, `\${__dirname}/${parsed.server.entry_point}`);
    assert.equal(parsed.server.entry_point.endsWith(".exe"), target.os === "windows");
  }
});

Deno.test("server.json asks for the settings there are, and hides the secret ones", () => {
  const [first] = serverJson(everything)?.packages ?? [];
  assert.deepEqual(first?.environmentVariables.map(({ name }) => name), settingRows.map(({ variable }) => variable));
  const secrets = first?.environmentVariables.filter(({ isSecret }) => isSecret).map(({ name }) => name);
  const secret = settingRows.filter((row) => "secret" in row && row.secret).map(({ variable }) => variable);
  assert.ok(secret.length > 0);
  assert.deepEqual(secrets, secret);
});

const baked = {
  allow_env: VISIBLE_VARIABLES,
  ...{ allow_net: [], allow_read: [], allow_write: [], allow_run: null, allow_sys: null, allow_ffi: null },
  ...{ deny_run: [], deny_sys: [], deny_ffi: [], deny_import: [], prompt: false },
};

/** A file that looks like an executable to what reads the permissions. */
function executable(permissions: unknown, more = ""): string {
  return `\0\x7fELF "permissions":{} ${more} {"permissions":${JSON.stringify(permissions)},"other":1}\0`;
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("permissions other than the baked ones are found, each by name", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/it`;
    const faultsOf = async (permissions: unknown, host?: string) => {
      await Deno.writeTextFile(path, executable(permissions));
      return await permissionFaults(path, host);
    };
    assert.deepEqual(await faultsOf(baked), []);
    for (const name of ["allow_run", "allow_sys", "allow_ffi"]) {
      assert.deepEqual(await faultsOf({ ...baked, [name]: [] }), [`${name} is [], and should be null`]);
    }
    assert.deepEqual(await faultsOf({ ...baked, deny_run: null }), ["deny_run is null, and should be []"]);
    assert.deepEqual(await faultsOf({ ...baked, prompt: true }), ["prompt is true, and should be false"]);
    assert.match((await faultsOf({ ...baked, allow_env: [] })).join(), /^allow_env is \[\]/);
    const site = { ...baked, allow_net: ["pve.lan:8006"], allow_write: null };
    assert.deepEqual(await faultsOf(site, "pve.lan:8006"), []);
    assert.equal((await faultsOf(site)).length, 2);
    assert.equal((await faultsOf(site, "other.lan:8006")).length, 1);
    await Deno.writeTextFile(path, executable(baked, executable(baked)));
    await assert.rejects(permissionFaults(path), /holds 2 sets of permissions/);
    await Deno.writeTextFile(path, "nothing");
    await assert.rejects(permissionFaults(path), /holds 0 sets of permissions/);
  });
});

Deno.test("a whole release is packed, and every change to it afterwards is found", async () => {
  await inFolder(async (folder) => {
    for (const target of targets) {
      await Deno.writeTextFile(`${folder}/${fileOf(target)}`, executable(baked, target.name));
    }
    assert.deepEqual(await packageRelease(folder), []);
    assert.deepEqual(await checkRelease(folder), []);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert.equal(names.length, targets.length * 2 + 5);

    for (const name of [fileOf(targets[1]), bundleOf(targets[2]), FORMULA_FILE, SCOOP_FILE, SERVER_FILE, SBOM_FILE]) {
      const before = await Deno.readFile(`${folder}/${name}`);
      await Deno.writeFile(`${folder}/${name}`, new Uint8Array([...before, 32]));
      const faults = await checkRelease(folder);
      assert.ok(faults.includes(`${name} is not the file that SHA256SUMS names`), faults.join("\n"));
      await Deno.writeFile(`${folder}/${name}`, before);
    }
    // Another program in place of the released one, with all checksums made anew around it, but for the bundle.
    const [target] = targets;
    await Deno.writeTextFile(`${folder}/${fileOf(target)}`, executable(baked, "another"));
    const sums = (await Deno.readTextFile(`${folder}/${SUMS_FILE}`)).replace(
      new RegExp(`[0-9a-f]{64}(?=  ${fileOf(target)}\n)`),
      await sha256(`${folder}/${fileOf(target)}`),
    );
    await Deno.writeTextFile(`${folder}/${SUMS_FILE}`, sums);
    assert.deepEqual(await checkRelease(folder), [
      `${bundleOf(target)} holds another program than ${fileOf(target)}`,
      `${FORMULA_FILE} has another checksum for ${fileOf(target)} than ${SUMS_FILE}`,
    ]);

    const materials = await Deno.readTextFile(`${folder}/${SBOM_FILE}`);
    for (const name of ["undici", "zod", "%40modelcontextprotocol/server"]) {
      assert.ok(materials.includes(`pkg:npm/${name}@`), name);
    }
    // What only tests and scripts use is not in the program.
    for (const name of ["fast-check", "%40modelcontextprotocol/sdk", "gpt-tokenizer", "%40anthropic-ai/mcpb"]) {
      assert.ok(!materials.includes(`pkg:npm/${name}@`), name);
    }

    await Deno.writeTextFile(`${folder}/notes.txt`, "");
    await assert.rejects(clearRelease(folder, true), /files that do not belong to a release: notes\.txt/);
    await Deno.remove(`${folder}/notes.txt`);
    await clearRelease(folder, true);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

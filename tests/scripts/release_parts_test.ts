/** The small parts of a release: checksums, what is in the bundle, the command line of the build, the workflow. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isIP } from "node:net";
import { dirname } from "node:path/posix";
import { parse } from "yaml";
import { z } from "zod";
import { UsageError } from "../../src/errors.ts";
import { VERSION } from "../../src/version.ts";
import { buildOptions, siteHost } from "../../scripts/build.ts";
import { permissionFlags } from "../../scripts/bundle.ts";
import { formatSums, parseSums } from "../../scripts/release/checksums.ts";
import { HOME } from "../../scripts/release/project.ts";
import { billOfMaterials, lockedHashes, packagesOf, sbomFaults } from "../../scripts/release/sbom.ts";
import { fileOf, hostTarget, type Target, targets } from "../../scripts/release/targets.ts";
import { ROOT } from "../helpers/server.ts";

const fileName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/);
const sum = fc.stringMatching(/^[0-9a-f]{64}$/);

Deno.test("SHA256SUMS reads as it was written", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fileName, sum), { selector: ([name]) => name, minLength: 1 }), (pairs) => {
      assert.deepEqual(parseSums(formatSums(new Map(pairs))), new Map(pairs));
    }),
  );
});

Deno.test("SHA256SUMS takes no path, no name twice, no other sum, and no line that is cut off", () => {
  const line = `${"a".repeat(64)}  file\n`;
  assert.deepEqual(parseSums(line), new Map([["file", "a".repeat(64)]]));
  for (
    const wrong of [
      "",
      line.trimEnd(),
      line + line,
      line.replace("file", "../file"),
      line.replace("file", "a/b"),
      line.replace("  ", " "),
      line.replace("  ", " *"),
      line.replace("aaaa", "AAAA"),
      line.slice(1),
      `${line}\n`,
    ]
  ) assert.throws(() => parseSums(wrong), JSON.stringify(wrong));
});

Deno.test("--host becomes one name or address with one port, or is refused, whatever it is", () => {
  const odd = fc.string({ unit: fc.constantFrom(..."abz019.-:[]/,*@%#? \t\n_\\\"'é") });
  const near = fc.tuple(fc.constantFrom("pve.lan", "192.0.2.10", "[2001:db8::10]", "*.lan", "10.0.0.0/8"), odd)
    .map(([host, rest]) => host + rest);
  fc.assert(fc.property(fc.oneof(odd, near, fc.string()), (text) => {
    let authority: string;
    try {
      authority = siteHost(text);
    } catch (error) {
      assert.ok(error instanceof UsageError, String(error));
      return;
    }
    const [, address, name, port] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/.exec(authority) ?? [];
    assert.ok(address === undefined ? name !== undefined : isIP(address) === 6, authority);
    assert.ok(Number(port) >= 1 && Number(port) <= 65535, authority);
    // One entry: Deno parts the list at commas, and takes what holds a slash for a range.
    const flags = permissionFlags(authority).filter((flag) => flag.includes("net") || flag.includes("write"));
    assert.deepEqual(flags, [`--allow-net=${authority}`]);
  }));
});

Deno.test("--host adds PVE's port, and names what it refuses", () => {
  assert.equal(siteHost("pve.lan"), "pve.lan:8006");
  assert.equal(siteHost("https://PVE.lan:443/"), "pve.lan:443");
  assert.equal(siteHost("[2001:db8::10]"), "[2001:db8::10]:8006");
  for (
    const wrong of ["", "a,b", "*.lan", "10.0.0.0/8", "pve.lan:0", "pve.lan:8006,other", "http://pve.lan", "127.1"]
  ) {
    assert.throws(() => siteHost(wrong), (error) => error instanceof UsageError && error.message.includes("--host is"));
  }
});

Deno.test("the build's command line", () => {
  const release = buildOptions([]);
  assert.deepEqual(release.targets, targets);
  assert.deepEqual([release.into, release.host, release.compiler], ["dist", undefined, [Deno.execPath()]]);
  const site = buildOptions(["--host", "pve.lan"]);
  assert.deepEqual(site.targets, [hostTarget()].filter((one) => one !== undefined));
  assert.deepEqual([site.into, site.host], ["dist/site", "pve.lan:8006"]);
  assert.deepEqual(buildOptions(["--host=pve.lan", "--target", "windows-x64"]).targets.map(fileOf), [
    "proxmox-mcp-windows-x64.exe",
  ]);
  assert.deepEqual(buildOptions(["--compiler", "npx -y deno"]).compiler, ["npx", "-y", "deno"]);
  for (const wrong of [["--foo"], ["word"], ["--target"], ["--target", "linux-riscv"], ["--host", "a b"]]) {
    assert.throws(() => buildOptions(wrong), UsageError, wrong.join(" "));
  }
});

Deno.test("packages are read from the paths of their files, those in other packages' files too", () => {
  const cache = "../../home/me/.cache/deno/npm/registry.npmjs.org";
  const found = packagesOf([
    "../main.ts",
    `${cache}/zod/4.6.7/v4/core/index.js`,
    `${cache}/zod/4.6.7/v4/core/util.js`,
    `${cache}/@peculiar/x509/2.2.0/build/x509.es.js`,
    `${cache}/@modelcontextprotocol/server/core-internal/src/index.ts`,
    `${cache}/@modelcontextprotocol/node_modules/.pnpm/ajv@8.18.0/node_modules/ajv/dist/ajv.js`,
    `${cache}/@modelcontextprotocol/node_modules/.pnpm/@scope+name@1.0.0_ajv@8.18.0/node_modules/@scope/name/a.js`,
  ]);
  assert.deepEqual(found.map(({ name, version }) => `${name}@${version}`), [
    "@peculiar/x509@2.2.0",
    "@scope/name@1.0.0",
    "ajv@8.18.0",
    "zod@4.6.7",
  ]);
  assert.deepEqual(found.filter(({ within }) => within !== undefined).map(({ name }) => name), ["@scope/name", "ajv"]);
});

Deno.test("the bill of materials carries deno.lock's checksums, and nothing that is not locked", async () => {
  const lock: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}deno.lock`));
  const hashes = lockedHashes(lock);
  const { imports } = z.looseObject({ imports: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)));
  for (const specifier of Object.values(imports)) {
    assert.match(hashes.get(specifier.slice(4)) ?? specifier, /^[0-9a-f]{128}$/);
  }
  const zod = { name: "zod", version: (imports.zod ?? "").split("@")[1] ?? "", within: undefined };
  const text = billOfMaterials([zod, { name: "@scope/carried", version: "1.0.0", within: "zod" }], hashes);
  assert.equal(await sbomFaults(text), undefined);
  assert.ok(text.includes(hashes.get(`zod@${zod.version}`) ?? "-"));
  assert.ok(text.includes("pkg:npm/%40scope/carried@1.0.0"));
  assert.notEqual(await sbomFaults(text.replace('"application"', '"nonsense"')), undefined);
  assert.throws(() => billOfMaterials([{ ...zod, version: "0.0.1" }], hashes), /zod@0\.0\.1 is in the bundle/);
});

Deno.test("README names every executable, and one home", async () => {
  const text = await Deno.readTextFile(`${ROOT}README.md`);
  for (const { name } of targets) assert.ok(text.includes(`-${name}`), name);
  const homes = text.match(/github\.com\/[\w-]+\/(?:proxmox-mcp|scoop-bucket)(?=[/)\s])/g) ?? [];
  assert.ok(homes.length > 3);
  for (const home of homes) assert.ok(`https://${home}`.startsWith(dirname(HOME)), home);
});

const workflow = z.looseObject({
  jobs: z.record(
    z.string(),
    z.looseObject({
      strategy: z.looseObject({ matrix: z.looseObject({ include: z.array(z.looseObject({})).optional() }) }).optional(),
      permissions: z.record(z.string(), z.string()).optional(),
      steps: z.array(z.looseObject({ uses: z.string().optional(), run: z.string().optional() })),
    }),
  ),
});

Deno.test("the release workflow tries each executable on its own system, and takes no action that can change", async () => {
  const text = await Deno.readTextFile(`${ROOT}.github/workflows/release.yml`);
  const { jobs } = workflow.parse(parse(text));
  const all: readonly Target[] = targets;
  assert.deepEqual(
    jobs.smoke?.strategy?.matrix.include,
    all.map((target) => ({ file: fileOf(target), runner: target.runner })),
  );
  for (const { steps } of Object.values(jobs)) {
    for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
  }
  // Only what is needed may write, and only at the end.
  const writers = Object.entries(jobs).filter(([, job]) => Object.values(job.permissions ?? {}).includes("write"));
  assert.deepEqual(writers.map(([name]) => name), ["publish"]);
  assert.match(text, /^permissions:\n {2}contents: read\n/m);
  assert.doesNotMatch(text, new RegExp(VERSION.replaceAll(".", "\\.")), "the version stands in deno.json alone");
});

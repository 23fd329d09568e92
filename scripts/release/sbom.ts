/** The bill of materials (CycloneDX): what is really in the bundle, with the checksums that deno.lock holds. */
// The library's validator loads these three; the imports make Deno offer them to it.
import "ajv";
import "ajv-formats";
import "ajv-formats-draft2019";
import { Enums, Models, Serialize, Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { NAME, VERSION } from "../../src/version.ts";
import { NO_NATIVE } from "../bundle.ts";
import { HOME, LICENSE, SUMMARY } from "./project.ts";

export const SBOM_FILE = `${NAME}.cdx.json`;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A package of npm. */
export interface Package {
  readonly name: string;
  readonly version: string;
  /** The package that carries it in its own files; undefined where npm delivered it by itself. */
  readonly within: string | undefined;
}

const locked = z.object({ npm: z.record(z.string(), z.object({ integrity: z.string().optional() })) });
const sourceMap = z.object({ sources: z.array(z.string()) });
const graph = z.object({
  modules: z.array(z.object({
    dependencies: z.array(z.object({
      code: z.object({ specifier: z.string().optional() }).optional(),
      assertionType: z.string().optional(),
    })).optional(),
  })),
});

/** The packages that files come from, sorted. Paths are those of Deno's cache, as source maps hold them. */
export function packagesOf(sources: Iterable<string>): Package[] {
  const found = new Map<string, Package>();
  for (const source of sources) {
    const [, owner, path] = /\/registry\.npmjs\.org\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(source) ?? [];
    if (owner === undefined || path === undefined) continue;
    // Packages that another one was built with: node_modules/.pnpm/NAME@VERSION/, with + in place of the scope's slash.
    const [, carried, carriedVersion] = /(?:^|\/)\.pnpm\/(@?[^@/]+)@([^/_(]+)/.exec(source) ?? [];
    const [, version] = /^(\d+\.\d+\.\d+[^/]*)\//.exec(path) ?? [];
    const one = carried !== undefined && carriedVersion !== undefined
      ? { name: carried.replace("+", "/"), version: carriedVersion, within: owner.split("/node_modules")[0] }
      : version === undefined
      ? undefined
      : { name: owner, version, within: undefined };
    if (one !== undefined) found.set(`${one.name}@${one.version}`, one);
  }
  return [...found.entries()].sort(([a], [b]) => a < b ? -1 : 1).map(([, one]) => one);
}

/** Bundles once more, with source maps, and reads from them which packages' files are in it. */
export async function bundledPackages(): Promise<Package[]> {
  const folder = await Deno.makeTempDir();
  try {
    const args = [
      "bundle",
      "--quiet",
      "--frozen",
      "--minify",
      "--code-splitting",
      "--sourcemap=external",
      ...NO_NATIVE,
    ];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, "--outdir", folder, "main.ts", "src/confine/worker.ts"],
      cwd: ROOT,
      stdout: "null",
    }).output();
    if (!success) throw new Error(`deno bundle failed: ${new TextDecoder().decode(stderr)}`);
    const sources: string[] = [];
    for await (const path of mapsIn(folder)) {
      sources.push(...sourceMap.parse(JSON.parse(await Deno.readTextFile(path))).sources);
    }
    return packagesOf([...sources, ...await embedded()]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The files of packages that are bundled as bytes, at their places in Deno's cache: no source map knows of them. */
async function embedded(): Promise<string[]> {
  const info = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "src/confine/worker.ts"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  const { modules } = graph.parse(JSON.parse(new TextDecoder().decode(info.stdout)));
  return modules.flatMap(({ dependencies }) => dependencies ?? [])
    .filter(({ assertionType }) => assertionType === "bytes")
    .map(({ code }) => (code?.specifier ?? "").replace(/^npm:\/?((?:@[^/]+\/)?[^/@]+)@/, "/registry.npmjs.org/$1/"));
}

async function* mapsIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* mapsIn(`${folder}/${name}`);
    else if (name.endsWith(".map")) yield `${folder}/${name}`;
  }
}

/** The SHA-512 of each package in deno.lock, in hex; keys as in zod@4.6.7, without what Deno adds for peers. */
export function lockedHashes(lock: unknown): Map<string, string> {
  return new Map(
    Object.entries(locked.parse(lock).npm).flatMap(([key, { integrity }]) => {
      const [, name] = /^(@?[^@]+@[^_]+)/.exec(key) ?? [];
      const [, base64] = /^sha512-(.+)$/.exec(integrity ?? "") ?? [];
      return name === undefined || base64 === undefined ? [] : [[name, Buffer.from(base64, "base64").toString("hex")]];
    }),
  );
}

/**
 * The bill of materials of the packages, as JSON.
 * @throws {Error} for a package that npm delivered and deno.lock does not hold
 */
export function billOfMaterials(packages: readonly Package[], hashes: ReadonlyMap<string, string>): string {
  const program = new Models.Component(Enums.ComponentType.Application, NAME, {
    bomRef: `${NAME}@${VERSION}`,
    version: VERSION,
    description: SUMMARY,
    licenses: new Models.LicenseRepository([new Models.SpdxLicense(LICENSE)]),
    externalReferences: new Models.ExternalReferenceRepository([
      new Models.ExternalReference(HOME, Enums.ExternalReferenceType.VCS),
    ]),
  });
  const runtime = new Models.Component(Enums.ComponentType.Platform, "deno", {
    bomRef: `deno@${Deno.version.deno}`,
    version: Deno.version.deno,
    description: "The run time that the program is compiled with",
    purl: `pkg:github/denoland/deno@v${Deno.version.deno}`,
  });
  const components = packages.map((one) => component(one, hashes));
  program.dependencies.add(runtime.bomRef);
  for (const { bomRef } of components) program.dependencies.add(bomRef);
  const bom = new Models.Bom({
    metadata: new Models.Metadata({ component: program }),
    components: new Models.ComponentRepository([runtime, ...components]),
  });
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

function component({ name, version, within }: Package, hashes: ReadonlyMap<string, string>) {
  const ref = `${name}@${version}`;
  const hash = hashes.get(ref);
  if (within === undefined && hash === undefined) throw new Error(`${ref} is in the bundle, and not in deno.lock`);
  const [scope, plain] = name.startsWith("@") ? name.split("/") : [undefined, name];
  return new Models.Component(Enums.ComponentType.Library, plain ?? name, {
    bomRef: ref,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    ...(scope === undefined ? {} : { group: scope }),
    ...(within === undefined ? {} : { description: `Carried in the files of ${within}` }),
    ...(within !== undefined || hash === undefined
      ? {}
      : { hashes: new Models.HashDictionary([[Enums.HashAlgorithm["SHA-512"], hash]]) }),
  });
}

/** What the schema of CycloneDX has against a bill of materials; undefined: nothing. */
export async function sbomFaults(text: string): Promise<string | undefined> {
  const faults = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text);
  return faults === null ? undefined : JSON.stringify(faults);
}

/** Writes the bill of materials of the current bundle into `folder`. @throws {Error} where it breaks the schema */
export async function writeSbom(folder: string): Promise<void> {
  const lock: unknown = JSON.parse(await Deno.readTextFile(`${ROOT}deno.lock`));
  const text = billOfMaterials(await bundledPackages(), lockedHashes(lock));
  const faults = await sbomFaults(text);
  if (faults !== undefined) throw new Error(`The bill of materials breaks CycloneDX's schema: ${faults}`);
  await Deno.writeTextFile(`${folder}/${SBOM_FILE}`, text);
}

/** Looks through a folder with a release: each file against the others, and against the schema or the tool that will read it. */
import { unpackExtension } from "@anthropic-ai/mcpb";
import { z } from "zod";
import { NAME } from "../../src/version.ts";
import { parseSums, sha256, sumFaults, SUMS_FILE } from "./checksums.ts";
import { permissionFaults } from "./embedded.ts";
import { FORMULA_FILE } from "./formula.ts";
import { SBOM_FILE, sbomFaults } from "./sbom.ts";
import { SCOOP_FILE } from "./scoop.ts";
import { SERVER_FILE, serverSchema } from "./server_json.ts";
import { bundleOf, fileOf, type Target, targets } from "./targets.ts";

const manifest = z.looseObject({ server: z.looseObject({ entry_point: z.string() }) });

/** What is wrong in the folder, a sentence each. */
export async function checkRelease(folder: string): Promise<string[]> {
  const sums = parseSums(await Deno.readTextFile(`${folder}/${SUMS_FILE}`));
  const read = (name: string) => sums.has(name) ? Deno.readTextFile(`${folder}/${name}`) : Promise.resolve(undefined);
  const faults = await sumFaults(folder);
  for (const target of targets.filter((one) => sums.has(fileOf(one)))) {
    const wrong = await permissionFaults(`${folder}/${fileOf(target)}`);
    faults.push(...wrong.map((fault) => `${fileOf(target)}: ${fault}`), ...await bundleFaults(folder, target));
  }
  for (const name of [FORMULA_FILE, SCOOP_FILE, SERVER_FILE]) faults.push(...linkFaults(name, await read(name), sums));
  const server = await read(SERVER_FILE);
  if (server !== undefined) {
    const parsed = serverSchema.safeParse(JSON.parse(server));
    if (!parsed.success) faults.push(`${SERVER_FILE} breaks the registry's schema: ${z.prettifyError(parsed.error)}`);
  }
  const sbom = await read(SBOM_FILE);
  const broken = sbom === undefined ? "it is not there" : await sbomFaults(sbom);
  if (broken !== undefined) faults.push(`${SBOM_FILE}: ${broken}`);
  return faults;
}

/** Each downloaded file that a text names stands beside the checksum of just that file, whatever the text's language. */
export function linkFaults(name: string, text: string | undefined, sums: ReadonlyMap<string, string>): string[] {
  if (text === undefined) return [];
  const pairs = [...text.matchAll(/\/releases\/download\/v[^/$]+\/([A-Za-z0-9._-]+)[^]*?"([0-9a-f]{64})"/g)];
  if (pairs.length === 0) return [`${name} names no file of the release`];
  return pairs.flatMap(([, file = "", sum]) => {
    if (!sums.has(file)) return [`${name} names ${file}, which is not there`];
    return sums.get(file) === sum ? [] : [`${name} has another checksum for ${file} than ${SUMS_FILE}`];
  });
}

/** Unpacks the bundle with the official tool: its program is the released executable, and may be started. */
async function bundleFaults(folder: string, target: Target): Promise<string[]> {
  const into = await Deno.makeTempDir();
  try {
    const bundle = bundleOf(target);
    if (!await unpackExtension({ mcpbPath: `${folder}/${bundle}`, outputDir: into, silent: true })) {
      return [`${bundle} cannot be unpacked`];
    }
    const { server } = manifest.parse(JSON.parse(await Deno.readTextFile(`${into}/manifest.json`)));
    const program = `${into}/${server.entry_point}`;
    const faults = await sha256(program) === await sha256(`${folder}/${fileOf(target)}`)
      ? []
      : [`${bundle} holds another program than ${fileOf(target)}`];
    const { mode } = await Deno.stat(program);
    if (target.os !== "windows" && mode !== null && (mode & 0o111) === 0) {
      faults.push(`${bundle}: ${NAME} cannot be started`);
    }
    return faults;
  } finally {
    await Deno.remove(into, { recursive: true });
  }
}

/** The Scoop manifest: the Windows executables under one name, and how a bucket finds the next version by itself. */
import { NAME, VERSION } from "../../src/version.ts";
import { type Sums, SUMS_FILE } from "./checksums.ts";
import { downloadUrl, HOME, LICENSE, SUMMARY, tagOf } from "./project.ts";
import { fileOf, targets } from "./targets.ts";

export const SCOOP_FILE = `${NAME}.json`;

/** Scoop's words for the two architectures. */
const ARCHITECTURES = { x64: "64bit", arm64: "arm64" } as const;

/** The manifest. It names the Windows executables that are in `sums`; without any it is undefined. */
export function scoopManifest(sums: Sums): Record<string, unknown> | undefined {
  const built = targets.flatMap((target) => {
    const hash = sums.get(fileOf(target));
    return target.os === "windows" && hash !== undefined ? [{ target, hash }] : [];
  });
  if (built.length === 0) return undefined;
  // What follows the # is the name that Scoop gives to the downloaded file.
  const renamed = (url: string) => `${url}#/${NAME}.exe`;
  const next = (file: string) => downloadUrl(file).replace(tagOf(VERSION), tagOf("$version"));
  return {
    version: VERSION,
    description: `${SUMMARY}.`,
    homepage: HOME,
    license: LICENSE,
    architecture: Object.fromEntries(built.map(({ target, hash }) => [
      ARCHITECTURES[target.arch],
      { url: renamed(downloadUrl(fileOf(target))), hash },
    ])),
    bin: `${NAME}.exe`,
    checkver: "github",
    autoupdate: {
      architecture: Object.fromEntries(built.map(({ target }) => [
        ARCHITECTURES[target.arch],
        { url: renamed(next(fileOf(target))) },
      ])),
      hash: { url: `$baseurl/${SUMS_FILE}` },
    },
  };
}

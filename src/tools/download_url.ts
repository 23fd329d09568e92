/** A tool that fetches a file from a host that a person has named: an ISO image, a container template, a disk image. */
import { z } from "zod";
import { UsageError } from "../errors.ts";
import { defineTool } from "../tool.ts";
import { fetched, fetchFile, toFetchFrom, where } from "./images.ts";
import * as params from "./params.ts";
import { chooseStorage } from "./places.ts";
import { taskCalls } from "./waiting.ts";

/** What a file is, as its name ends. */
function contentFor(name: string): "iso" | "vztmpl" | "import" | undefined {
  if (/\.(?:iso|img)$/.test(name)) return "iso";
  if (/\.tar\.(?:gz|xz|zst|bz2)$/.test(name)) return "vztmpl";
  return /\.(?:qcow2|raw|vmdk|ova)$/.test(name) ? "import" : undefined;
}

/** How PVE wants the files of each content to end. */
const ENDINGS = {
  iso: ".iso or .img",
  vztmpl: ".tar.gz, .tar.xz, .tar.zst or .tar.bz2",
  import: ".qcow2, .raw, .vmdk or .ova",
} as const;

/** @throws {UsageError} for a name that PVE would not take for that content */
function checkEnding(name: string, content: keyof typeof ENDINGS): void {
  if (contentFor(name) === content) return;
  const cloudImage = content === "import" && name.endsWith(".img");
  throw new UsageError(
    `${JSON.stringify(name)} does not end as content=${content} does: ${ENDINGS[content]}`,
    cloudImage
      ? `Most cloud images that are called .img are qcow2, as Ubuntu's are: then give filename=${
        JSON.stringify(name.replace(/\.img$/, ".qcow2"))
      }; otherwise one that ends in .raw`
      : "Give filename with the right ending, or another content",
  );
}

/** The algorithm of a checksum, which its length tells. */
function algorithmOf(checksum: string): "sha256" | "sha384" | "sha512" | undefined {
  switch (checksum.length) {
    case 64:
      return "sha256";
    case 96:
      return "sha384";
    case 128:
      return "sha512";
    default:
      return undefined;
  }
}

export const downloadUrl = defineTool({
  name: "download_url",
  title: "Download a file",
  description:
    "Has a node fetch an ISO image, a container template or a cloud image from a host that PROXMOX_DOWNLOAD_HOSTS names. Replaces no file.",
  tier: "provision",
  toolset: "images",
  idempotent: true,
  input: z.strictObject({
    url: z.string().max(2000).describe("https only, as in https://cloud.debian.org/images/….qcow2"),
    content: z.enum(["iso", "vztmpl", "import"]).optional().describe(
      "Left out: by the file's ending. import: a disk image that create_cloudinit_vm takes, .qcow2, .raw or .vmdk",
    ),
    filename: z.string().max(255).optional().describe(
      "Left out: as in the url; a qcow2 that is called .img needs .qcow2",
    ),
    checksum: z.string().max(128).optional().describe("SHA-256, SHA-384 or SHA-512, in hex"),
    ...where,
    ...params.waiting,
  }),
  output: fetched,
  calls: [
    "GET /cluster/resources",
    "GET /nodes/{node}/storage/{storage}/content",
    "POST /nodes/{node}/storage/{storage}/download-url",
    ...taskCalls,
  ],
  privileges: toFetchFrom,
  async run(input, context) {
    const { pve, signal } = context;
    const { url } = input;
    const name = input.filename ?? URL.parse(url)?.pathname.split("/").at(-1) ?? "";
    const content = input.content ?? contentFor(name);
    if (content === undefined) {
      throw new UsageError(
        `${JSON.stringify(name)} does not end as ISO images, templates or disk images do`,
        "Give filename with its right ending: .iso, .tar.zst, .qcow2, …",
      );
    }
    checkEnding(name, content);
    const checksum = input.checksum?.toLowerCase();
    const algorithm = checksum === undefined ? undefined : algorithmOf(checksum);
    if (checksum !== undefined && algorithm === undefined) {
      throw new UsageError(
        `The checksum has ${checksum.length} characters`,
        "Give a SHA-256 (64), SHA-384 (96) or SHA-512 (128) in hex, as the publisher lists it beside the file",
      );
    }
    const { node, storage } = await chooseStorage(pve, { ...input, content }, { signal });
    const answer = await fetchFile(
      "download_url",
      context,
      input,
      { node, storage, content, name },
      () =>
        pve.call("POST /nodes/{node}/storage/{storage}/download-url", {
          node,
          storage,
          url,
          content,
          filename: name,
          ...(checksum === undefined || algorithm === undefined ? {} : { checksum, "checksum-algorithm": algorithm }),
        }, { signal }),
    );
    const notes = [
      ...answer.notes ?? [],
      ...(checksum === undefined && answer.state !== "unchanged"
        ? ["Without a checksum nothing says that it is what its publisher made"]
        : []),
      ...(input.content === undefined && name.endsWith(".img")
        ? ["Taken for an ISO image. For a cloud image's disk: content=import, with a filename that ends in .qcow2"]
        : []),
    ];
    return { ...answer, ...(notes.length > 0 ? { notes } : {}) };
  },
});

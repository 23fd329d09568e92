/** A tool that fetches an OCI image from a registry, to make a container from it. */
import { z } from "zod";
import { PveError, UsageError } from "../errors.ts";
import { defineTool } from "../tool.ts";
import { fetched, fetchFile, toFetchFrom, where } from "./images.ts";
import * as params from "./params.ts";
import { chooseStorage } from "./places.ts";
import { taskCalls } from "./waiting.ts";

/** Since 9.1; undefined where PVE does not tell a version as we know them. */
function knowsImages(version = ""): boolean | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? undefined : Number(major) > 9 || (Number(major) === 9 && Number(minor) >= 1);
}

/** "docker.io/library/debian:13" → "debian_13", as PVE would name it. */
function fileNameFor(reference: string): string {
  return (reference.split("/").at(-1) ?? "").replaceAll(/[^A-Za-z0-9_.-]/g, "_");
}

export const pullOciImage = defineTool({
  name: "pull_oci_image",
  title: "Pull an OCI image",
  description:
    "Has a node fetch an OCI (Docker) image from a registry that PROXMOX_DOWNLOAD_HOSTS names, on PVE 9.1 and later. The answer's volid is what create_container takes as ostemplate. Public images only: PVE logs in nowhere.",
  tier: "provision",
  toolset: "images",
  idempotent: true,
  input: z.strictObject({
    reference: z.string().max(400).describe("REGISTRY/NAME:TAG in full, as in docker.io/library/nginx:1.29"),
    filename: z.string().max(200).optional().describe("Without .tar; left out: as in nginx_1.29"),
    ...where,
    ...params.waiting,
  }),
  output: fetched,
  calls: [
    "GET /version",
    "GET /cluster/resources",
    "GET /nodes/{node}/storage/{storage}/content",
    "POST /nodes/{node}/storage/{storage}/oci-registry-pull",
    ...taskCalls,
  ],
  privileges: toFetchFrom,
  async run(input, context) {
    const { pve, signal } = context;
    const { reference } = input;
    const filename = input.filename ?? fileNameFor(reference);
    if (/\.tar$/.test(filename)) {
      throw new UsageError(`filename=${JSON.stringify(filename)} ends in .tar, which PVE adds`, "Leave the ending out");
    }
    const { version } = await pve.call("GET /version", {}, { signal });
    if (knowsImages(version) === false) {
      throw new PveError(`This is PVE ${version}, and OCI images are pulled by PVE 9.1 and later`, {
        kind: "unsupported",
        remedy: "Use download_template, or have a person upgrade PVE",
      });
    }
    const { node, storage } = await chooseStorage(pve, { ...input, content: "vztmpl" }, { signal });
    const answer = await fetchFile(
      "pull_oci_image",
      context,
      input,
      { node, storage, content: "vztmpl", name: `${filename}.tar` },
      () =>
        pve.call("POST /nodes/{node}/storage/{storage}/oci-registry-pull", { node, storage, reference, filename }, {
          signal,
        }),
    );
    const note = "A container made from it runs the image's own program instead of a whole system (PVE calls that a " +
      "technology preview)";
    return { ...answer, notes: [...answer.notes ?? [], note] };
  },
});

/** Templates and files that a node fetches from elsewhere. */
import { addVolume } from "../build.ts";
import { die, invalid } from "../failure.ts";
import { type Content, findVolume, type Storage, storageOn, volumesOf } from "../state.ts";
import { type Context, type Route, start } from "./context.ts";

const MIB = 1024 * 1024;

export const appliances: Route<"GET /nodes/{node}/aplinfo"> = ({ state }) =>
  state.appliances.map(({ size: _size, ...row }) => ({
    ...row,
    architecture: "amd64",
    type: "lxc",
    source: "https://pve.example/images",
    location: `https://pve.example/images/${row.section}/${row.template}`,
    sha512sum: "0".repeat(128),
    maintainer: "support@pve.example",
    description: row.headline,
  }));

interface Fetch {
  readonly node: string;
  readonly storage: Storage;
  readonly content: Content;
  readonly name: string;
  readonly url: string;
  readonly size: number;
  readonly task: string;
  readonly id: string;
}

const FOLDERS: Readonly<Record<string, string>> = { iso: "iso", vztmpl: "cache", import: "import" };

function path({ storage, content, name }: Fetch): string {
  return `${storage.path}/${content === "import" ? "" : "template/"}${FOLDERS[content]}/${name}`;
}

/** Nothing is replaced: PVE refuses to write over a file that is there. */
function bring(context: Context, wish: Fetch): string {
  const { state, engine } = context;
  const { node, storage, content, name, url, size } = wish;
  const full = () => {
    if (findVolume(state, node, `${storage.id}:${content}/${name}`) !== undefined) {
      die(`refusing to override existing file '${path(wish)}'`);
    }
  };
  const steps = [6, 27, 54, 81, 100].map((percent) =>
    `${Math.round(size * percent / 100 / 1024)}K ... ${percent}% 84M 1s`
  );
  const host = URL.parse(url)?.host ?? "";
  const reached = !host.startsWith("127.") && !host.includes(".invalid");
  return start(context, {
    node,
    type: wish.task,
    id: wish.id,
    seconds: 8,
    begin: full,
    lines: [
      `downloading ${url} to ${path(wish)}`,
      `--${new Date(engine.now()).toISOString()}--  ${url}`,
      ...reached ? steps : [],
    ],
    finish: (log) => {
      full();
      if (!reached) die(`download failed: Connecting to ${host}... failed: Connection refused.`); // captured 395
      const format = content === "vztmpl" ? `t${name.split(".").at(-1)}` : name.split(".").at(-1) ?? "iso";
      addVolume(state, storage, storage.shared ? "" : node, {
        name: `${content}/${name}`,
        content,
        format,
        size,
        ctime: Math.floor(engine.now() / 1000),
      });
      log(`download of '${url}' to '${path(wish)}' finished`);
    },
  });
}

export const download: Route<"POST /nodes/{node}/aplinfo"> = (context, { node, storage: id, template }) => {
  const { state } = context;
  const found = state.appliances.find((row) => row.template === String(template));
  if (found === undefined) invalid({ template: "no such template" });
  const storage = storageOn(state, node, String(id));
  if (!storage.content.has("vztmpl")) die(`Cannot download to storage type '${storage.type}'`);
  return bring(context, {
    node,
    storage,
    content: "vztmpl",
    name: found.template,
    url: `https://pve.example/images/${found.section}/${found.template}`,
    size: found.size,
    task: "download",
    id: found.template,
  });
};

export const downloadUrl: Route<"POST /nodes/{node}/storage/{storage}/download-url"> = (context, params) => {
  const { node, content } = params;
  const storage = storageOn(context.state, node, params.storage);
  if (storage.type !== "dir" && storage.type !== "nfs") {
    die(`can't upload to storage type '${storage.type}', not a file based storage!`);
  }
  if (!storage.content.has(content)) die(`storage '${storage.id}' is not configured for content-type '${content}'`);
  const name = String(params.filename).replaceAll(/[^A-Za-z0-9_.-]/g, "_");
  const ends = { iso: /\.(?:iso|img)$/i, vztmpl: /\.tar\.(?:gz|xz|zst|bz2)$/, import: /\.(?:ova|qcow2|raw|vmdk)$/ };
  if (!ends[content].test(name)) invalid({ filename: "wrong file extension" });
  return bring(context, {
    node,
    storage,
    content,
    name,
    url: String(params.url),
    size: 340 * MIB,
    task: "download",
    id: name,
  });
};

/** As in PVE's sources (PVE::API2::Storage::Status): skopeo fetches it, and .tar is added to whatever name. */
export const pullImage: Route<"POST /nodes/{node}/storage/{storage}/oci-registry-pull"> = (context, params) => {
  const { state, engine } = context;
  const { node } = params;
  const storage = storageOn(state, node, params.storage);
  if (storage.type !== "dir" && storage.type !== "nfs") {
    die(`can't upload to storage type '${storage.type}', not a file based storage!`);
  }
  if (!storage.content.has("vztmpl")) die(`storage '${storage.id}' is not configured for content-type 'vztmpl'`);
  const reference = String(params.reference);
  const plain = String(params.filename ?? reference).replace(/^.*[/\\]/, "").replaceAll(/[^A-Za-z0-9_.-]/g, "_");
  const name = `${plain}.tar`;
  const volid = `${storage.id}:vztmpl/${name}`;
  if (findVolume(state, node, volid) !== undefined) die(`refusing to override existing file '${name}'`);
  return start(context, {
    node,
    type: "ociregistrypull",
    id: name,
    seconds: 8,
    lines: ["Getting image source signatures", "Copying blob sha256:0f2ce7e5", "Copying config sha256:5ad3bd0e"],
    finish: (log) => {
      if (reference.includes("/missing")) {
        log('time="2026-11-22T12:00:00Z" level=fatal msg="initializing source: reading manifest: manifest unknown"');
        die(
          `command 'skopeo copy docker://${reference} oci-archive:${storage.path}/template/cache/${name}' failed: exit code 1`,
        );
      }
      // What came in between is replaced: PVE only looks before it begins.
      volumesOf(storage, node).delete(`vztmpl/${name}`);
      log("Writing manifest to image destination");
      addVolume(state, storage, storage.shared ? "" : node, {
        name: `vztmpl/${name}`,
        content: "vztmpl",
        format: "tar",
        size: 60 * MIB,
        ctime: Math.floor(engine.now() / 1000),
      });
    },
  });
};

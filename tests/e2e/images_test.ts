/** From nothing to a container: templates found and fetched; files fetched from hosts that a person has named, and no others. */
import assert from "node:assert/strict";
import { serverTest } from "../helpers/server.ts";

const images = { env: { PROXMOX_TOOLSETS: "default,images", PROXMOX_DOWNLOAD_HOSTS: "cloud.debian.org" } };

serverTest("an empty cluster: template found, fetched, container created and started", images, async (server) => {
  const { ok, simulator } = server;
  for (const storage of simulator.state.storages.values()) {
    for (const volumes of storage.volumes.values()) {
      for (const volume of [...volumes.values()]) if (volume.content === "vztmpl") volumes.delete(volume.name);
    }
  }
  const { templates } = await ok("list_available_templates", { name: "debian-13" });
  assert.deepEqual(templates, [
    { template: "debian-13-standard_13.1-2_amd64.tar.zst", os: "debian-13", headline: "debian-13 (standard)" },
  ]);
  const fetched = await ok("download_template", { template: "debian-13-standard" });
  assert.equal(fetched.state, "ok");
  assert.equal(fetched.volid, "nas:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst");
  const made = await ok("create_container", {
    ostemplate: fetched.volid,
    storage: "local-lvm",
    hostname: "fresh",
    start: true,
  });
  assert.equal(made.state, "ok");
  const { status } = await ok("container_status", { vmid: made.vmid });
  assert.equal(status, "running");
  const again = await ok("download_template", { template: "debian-13-standard" });
  assert.equal(again.state, "unchanged");
  assert.equal(again.volid, fetched.volid);
});

serverTest(
  "a template that is not, or not the only one that is meant, is answered with those there are",
  images,
  async (server) => {
    const { ok, error, simulator } = server;
    assert.match(await error("download_template", { template: "debian" }), /More than one.*debian-12-standard_12/s);
    assert.match(
      await error("download_template", { template: "standard" }),
      /No template.*There are debian-12-standard/s,
    );
    assert.match(await error("download_template", { template: "gentoo" }), /No template.*list_available_templates/s);
    assert.match(
      await error("download_template", { template: "archlinux-base", storage: "ceph" }),
      /holds images, rootdir, not/,
    );
    const all = await ok("list_available_templates", { section: "all", limit: 2 });
    assert.match(String(all.notes), /5 more: narrow with name/);
    simulator.state.appliances.length = 0;
    assert.match(String((await ok("list_available_templates")).notes), /pveam update/);
    assert.match(await error("download_template", { template: "debian-13-standard" }), /no index yet.*pveam update/);
  },
);

serverTest(
  "a file is fetched from a host that is named, with its checksum, and replaces nothing",
  images,
  async (server) => {
    const { ok, error, simulator, requests } = server;
    const url = "https://cloud.debian.org/images/cloud/trixie/debian-13-genericcloud-amd64.qcow2";
    const first = await ok("download_url", { url, checksum: "AB".repeat(64) });
    assert.equal(first.volid, "nas:import/debian-13-genericcloud-amd64.qcow2");
    assert.equal(first.notes, undefined);
    const sent = requests.find(({ method }) => method === "POST")?.params;
    assert.equal(sent?.checksum, "ab".repeat(64));
    assert.equal(sent["checksum-algorithm"], "sha512");
    const file = simulator.state.storages.get("nas")?.volumes.get("")?.get("import/debian-13-genericcloud-amd64.qcow2");
    const again = await ok("download_url", { url });
    assert.equal(again.state, "unchanged");
    assert.equal(simulator.state.storages.get("nas")?.volumes.get("")?.get(file?.name ?? ""), file);
    const iso = await ok("download_url", { url: "https://cloud.debian.org/a.iso", storage: "local", node: "pve3" });
    assert.equal(iso.volid, "local:iso/a.iso");
    assert.equal(iso.node, "pve3");
    assert.match(String(iso.notes), /Without a checksum/);
    assert.match(await error("download_url", { url: "https://cloud.debian.org/a" }), /does not end as/);
    assert.match(
      await error("download_url", { url: "https://cloud.debian.org/a.iso", checksum: "abc" }),
      /3 characters/,
    );
  },
);

serverTest("no other host is reached, and without the setting none", images, async ({ error, requests }) => {
  for (
    const url of [
      "https://192.0.2.1/x.iso",
      "https://cloud.debian.org.example/x.iso",
      "https://cloud.debian.org:8443/x.iso",
    ]
  ) assert.match(await error("download_url", { url }), /Refused: .*not among the hosts.*PROXMOX_DOWNLOAD_HOSTS/s, url);
  for (
    const [url, shown] of [
      ["http://cloud.debian.org/x.iso", /Refused: "http:\/\/cloud\.debian\.org\/x\.iso" is neither.*as in https:/s],
      [
        "https://cloud.debian.org/ä b.iso",
        /Refused: "https:\/\/cloud\.debian\.org\/ä b\.iso" is neither.*as in https:/s,
      ],
      ["https://me@cloud.debian.org/x.iso", /Refused: "…@cloud\.debian\.org\/x\.iso" is neither/],
    ] as const
  ) {
    const text = await error("download_url", { url });
    assert.match(text, shown);
    // It would not help.
    assert.doesNotMatch(text, /PROXMOX_DOWNLOAD_HOSTS/);
  }
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest(
  "what a search leaves out is said, and what is missing is fetched by the tools there are",
  images,
  async ({ ok }) => {
    const hidden = await ok("list_available_templates", { name: "nextcloud" });
    assert.deepEqual([hidden.templates, hidden.notes], [[], ["1 more in other sections: section=all"]]);
    const found = await ok("list_available_templates", { name: "nextcloud", section: "all" });
    assert.deepEqual([found.total, found.notes], [1, undefined]);
    const other = await ok("list_available_templates", { name: "debian-13", section: "turnkeylinux" });
    assert.deepEqual(other.notes, ["1 more in other sections: section=all"]);
    const notes = [
      "download_template fetches the container templates that list_available_templates shows",
      "download_url fetches ISO images from hosts that PROXMOX_DOWNLOAD_HOSTS names",
    ];
    const [why, ...ways] = [(await ok("list_templates", { name: "nextcloud-" })).notes].flat();
    assert.match(String(why), /None of the \d+ that are there/);
    assert.deepEqual(ways, notes);
  },
);

serverTest("a name that does not fit its content is refused with one that does", images, async (server) => {
  const { ok, error, requests } = server;
  const url = "https://cloud.debian.org/noble-server-cloudimg-amd64.img";
  const content = "import";
  assert.match(
    await error("download_url", { url, content }),
    /"noble-server-cloudimg-amd64\.img" does not end as content=import does: \.qcow2.*filename="noble-server-cloudimg-amd64\.qcow2"/s,
  );
  const tar = await error("download_url", { url: "https://cloud.debian.org/a.qcow2", content: "vztmpl" });
  assert.match(tar, /"a\.qcow2" does not end as content=vztmpl does: \.tar\.gz.*right ending, or another content/s);
  assert.match(await error("download_url", { url: "https://cloud.debian.org/a", content }), /"a" does not end as/);
  assert.ok(requests.every(({ method }) => method === "GET"));
  const filename = "noble-minimal.qcow2";
  const taken = await ok("download_url", { url, content, filename });
  assert.deepEqual([taken.state, taken.volid], ["ok", `nas:import/${filename}`]);
  assert.doesNotMatch(String(taken.notes), /ISO/);
  // What a name alone does not tell is said.
  const guessed = await ok("download_url", { url, checksum: "ab".repeat(32) });
  assert.match(String(guessed.volid), /:iso\/noble-server-cloudimg-amd64\.img$/);
  assert.match(String(guessed.notes), /^Taken for an ISO image\. For a cloud image's disk: content=import/);
  assert.equal((await ok("download_url", { url, content: "iso", checksum: "ab".repeat(32) })).state, "unchanged");
});

serverTest("the set is off by default, and download_url without hosts refuses", {
  env: { PROXMOX_TOOLSETS: "images" },
}, async ({ client, error }) => {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map(({ name }) => name), [
    "list_available_templates",
    "download_template",
    "download_url",
    "pull_oci_image",
  ]);
  assert.match(await error("download_url", { url: "https://cloud.debian.org/a.iso" }), /PROXMOX_DOWNLOAD_HOSTS/);
});

serverTest("a download that is asked for again while it runs is not started twice, and tells how far it is", {
  ...images,
  simulator: { pace: 1 },
}, async ({ ok, requests }) => {
  const first = await ok("download_template", { template: "fedora", wait: false });
  const second = await ok("download_template", { template: "fedora-42-default", wait_timeout: 1 });
  assert.equal(second.upid, first.upid);
  assert.match(String(second.notes), /An earlier call started this download: nothing was started again.*wait_task/);
  assert.equal(requests.filter(({ method }) => method === "POST").length, 1);
});

const registry = { env: { PROXMOX_TOOLSETS: "default,images", PROXMOX_DOWNLOAD_HOSTS: "docker.io" } };

serverTest(
  "an OCI image is pulled from a registry that is named, and a container made from it",
  registry,
  async (it) => {
    const { ok, error, requests, simulator } = it;
    const pulled = await ok("pull_oci_image", {
      reference: "docker.io/library/nginx:1.29",
      storage: "local",
      node: "pve2",
    });
    assert.equal(pulled.state, "ok");
    assert.equal(pulled.volid, "local:vztmpl/nginx_1.29.tar");
    assert.match(String(pulled.notes), /the image's own program/);
    const sent = requests.find(({ method }) => method === "POST");
    assert.deepEqual(
      [sent?.path, sent?.params],
      ["/nodes/pve2/storage/local/oci-registry-pull", {
        reference: "docker.io/library/nginx:1.29",
        filename: "nginx_1.29",
      }],
    );
    const made = await ok("create_container", { node: "pve2", ostemplate: pulled.volid, storage: "local-lvm" });
    assert.equal(made.state, "ok");
    const file = simulator.state.storages.get("local")?.volumes.get("pve2")?.get("vztmpl/nginx_1.29.tar");
    const again = { reference: "docker.io/library/nginx:1.29", storage: "local", node: "pve2" };
    assert.equal((await ok("pull_oci_image", again)).state, "unchanged");
    const other = { ...again, reference: "docker.io/library/debian:13", filename: "nginx_1.29" };
    assert.equal((await ok("pull_oci_image", other)).state, "unchanged");
    assert.equal(simulator.state.storages.get("local")?.volumes.get("pve2")?.get("vztmpl/nginx_1.29.tar"), file);
    assert.match(await error("pull_oci_image", { ...again, filename: "a.tar" }), /ends in \.tar, which PVE adds/);
    assert.match(
      await error("pull_oci_image", { reference: "docker.io/library/missing:1" }),
      /skopeo copy.*manifest unknown.*no such image or tag/s,
    );
  },
);

serverTest("no other registry is reached, nor one that is not named in full", registry, async ({ error, requests }) => {
  for (
    const [reference, why] of [
      ["quay.io/a/b:1", /Refused: quay\.io is not among the hosts.*PROXMOX_DOWNLOAD_HOSTS/s],
      ["docker.io:5000/a:1", /Refused: docker\.io:5000 is not among the hosts.*PROXMOX_DOWNLOAD_HOSTS/s],
      ["nginx:1.29", /Refused: "nginx:1\.29" is neither.*REGISTRY\/NAME:TAG in full/s],
      ["library/nginx:1.29", /Refused: "library\/nginx:1\.29" is neither.*REGISTRY\/NAME:TAG in full/s],
      ["docker.io/library/nginx", /Refused: "docker\.io\/library\/nginx" is neither.*REGISTRY\/NAME:TAG in full/s],
    ] as const
  ) assert.match(await error("pull_oci_image", { reference }), why, reference);
  assert.ok(requests.every(({ method }) => method === "GET"));
});

serverTest("before PVE 9.1 there are no OCI images, and that is said at once", registry, async (it) => {
  const { error, ok, requests, simulator } = it;
  const reference = "docker.io/library/nginx:1.29";
  for (const version of ["9.0.11", "8.4.14"]) {
    simulator.state.version = version;
    assert.match(await error("pull_oci_image", { reference }), new RegExp(`This is PVE ${version}.*9\\.1 and later`));
  }
  assert.ok(requests.every(({ method }) => method === "GET"));
  for (const version of ["9.1.1", "10.0.2"]) {
    simulator.state.version = version;
    assert.notEqual((await ok("pull_oci_image", { reference })).state, "running");
  }
});

serverTest(
  "a container is made and started although its address may not be read",
  images,
  async ({ ok, simulator }) => {
    const { roles } = simulator.state.access;
    const made = {
      ostemplate: "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst",
      storage: "local-lvm",
      node: "pve1",
    };
    const told = await ok("create_container", { ...made, start: true });
    assert.match(String(told.addresses), /^192\.0\.2\.\d+\/24$/);
    assert.doesNotMatch(String(told.notes), /address/);
    assert.equal((await ok("create_container", { ...made })).addresses, undefined);
    assert.equal((await ok("create_container", { ...made, start: true, net0: "none" })).addresses, undefined);
    roles.set("PVEAdmin", new Set([...roles.get("PVEAdmin") ?? []].filter((privilege) => privilege !== "VM.Audit")));
    const { state, addresses, notes, vmid } = await ok("create_container", { ...made, start: true, vmid: 400 });
    assert.deepEqual([state, addresses, vmid], ["ok", undefined, 400]);
    assert.match(String(notes), /no address yet: guest_network/);
  },
);

/** The gate refuses everything that is not in the catalogue, and what it admits is exactly what PVE will read. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../src/errors.ts";
import { catalogue } from "../../src/safety/catalogue.ts";
import { admit, entryOf, isAdmitted } from "../../src/safety/gate.ts";

const vm = { node: "pve1", vmid: 100 };
const digest = "8115a483bbeccc35e4a864025d3327d07a9a2b16";
const VM_CONFIG = "PUT /nodes/{node}/qemu/{vmid}/config";
const CT_CONFIG = "PUT /nodes/{node}/lxc/{vmid}/config";

Deno.test("admit() builds path, query and body", () => {
  const read = admit("GET /nodes/{node}/storage/{storage}/content", { node: "pve1", storage: "local", content: "iso" });
  assert.equal(read.path, "/nodes/pve1/storage/local/content");
  assert.equal(read.query, "content=iso");
  assert.equal(read.body, undefined);
  const write = admit(VM_CONFIG, {
    ...vm,
    digest,
    memory: 4096,
    onboot: true,
    description: "a;b&c=d\né",
    tags: undefined,
  });
  assert.equal(write.query, "");
  const body = new URLSearchParams(write.body);
  assert.deepEqual([...body.keys()].sort(), ["description", "digest", "memory", "onboot"]);
  assert.equal(body.get("description"), "a;b&c=d\né");
  assert.equal(body.get("onboot"), "1");
  assert.ok(!(write.body ?? "").includes(";"), "PVE splits bodies on a bare ;");
});

Deno.test("isAdmitted() knows the gate's own requests only", () => {
  const request = admit("GET /version", {});
  assert.ok(isAdmitted(request));
  assert.ok(!isAdmitted({ ...request }));
  assert.throws(() =>
    Reflect.set(request, "path", "/x") || (() => {
      throw new TypeError("frozen");
    })()
  );
});

const refused: readonly [string, string, Record<string, unknown>][] = [
  ["a call that is not there", "DELETE /nodes/{node}/qemu/{vmid}", vm],
  ["a call of Object's prototype", "constructor", {}],
  ["deleting a key", VM_CONFIG, { ...vm, digest, delete: "scsi0" }],
  ["force", VM_CONFIG, { ...vm, digest, force: 1 }],
  ["revert", VM_CONFIG, { ...vm, digest, revert: "memory" }],
  ["unused volumes", VM_CONFIG, { ...vm, digest, unused0: "local-lvm:vm-100-disk-0" }],
  ["lifting protection", VM_CONFIG, { ...vm, digest, protection: 0 }],
  ["a config write without a digest", VM_CONFIG, { ...vm, memory: 512 }],
  ["skipping the lock", "POST /nodes/{node}/qemu/{vmid}/status/start", { ...vm, skiplock: 1 }],
  ["somebody's volume", VM_CONFIG, { ...vm, digest, scsi1: "local-lvm:vm-100-disk-0" }],
  ["a directory volume", VM_CONFIG, { ...vm, digest, scsi1: "data:100/vm-100-disk-0.qcow2" }],
  ["a device of the host", VM_CONFIG, { ...vm, digest, scsi1: "/dev/sda" }],
  ["the alias file=", VM_CONFIG, { ...vm, digest, scsi1: "file=local-lvm:vm-100-disk-0" }],
  ["a second file=", VM_CONFIG, { ...vm, digest, scsi1: "local-lvm:8,file=local-lvm:vm-1-disk-0" }],
  ["an import", VM_CONFIG, { ...vm, digest, scsi1: "local-lvm:0,import-from=/etc/passwd" }],
  ["a disk without backup", VM_CONFIG, { ...vm, digest, scsi1: "local-lvm:8,backup=0" }],
  ["an unsafe cache", VM_CONFIG, { ...vm, digest, scsi1: "local-lvm:8,cache=unsafe" }],
  ["a slot with a leading zero", VM_CONFIG, { ...vm, digest, scsi01: "local-lvm:8" }],
  ["a slot that does not exist", VM_CONFIG, { ...vm, digest, ide4: "local:iso/a.iso,media=cdrom" }],
  ["a disk as CD-ROM", VM_CONFIG, { ...vm, digest, ide2: "local-lvm:vm-100-disk-0,media=cdrom" }],
  ["a path as CD-ROM", VM_CONFIG, { ...vm, digest, ide2: "/dev/cdrom,media=cdrom" }],
  ["a newline in a property string", VM_CONFIG, { ...vm, digest, net0: "virtio,bridge=vmbr0\n&delete=scsi0" }],
  ["a semicolon in a property string", VM_CONFIG, { ...vm, digest, net0: "virtio,bridge=vmbr0;delete=scsi0" }],
  ["an unknown sub-key", VM_CONFIG, { ...vm, digest, net0: "virtio,bridge=vmbr0,script=/x" }],
  ["a repeated sub-key", VM_CONFIG, { ...vm, digest, net0: "virtio,bridge=vmbr0,bridge=vmbr1" }],
  ["passing a device through", VM_CONFIG, { ...vm, digest, hostpci0: "0000:01:00.0" }],
  ["a hook script", VM_CONFIG, { ...vm, digest, hookscript: "local:snippets/x" }],
  ["QEMU's arguments", VM_CONFIG, { ...vm, digest, args: "-drive file=/dev/sda" }],
  ["an object as a value", VM_CONFIG, { ...vm, digest, memory: { a: 1 } }],
  ["a list as a value", VM_CONFIG, { ...vm, digest, tags: ["a", "b"] }],
  ["a key of Object's prototype", VM_CONFIG, { ...vm, digest, constructor: "x" }],
  ["a bind mount", CT_CONFIG, { ...vm, digest, mp0: "/etc,mp=/x" }],
  ["a new root file system", CT_CONFIG, { ...vm, digest, rootfs: "local-lvm:8" }],
  ["a mount point left out of backups", CT_CONFIG, { ...vm, digest, mp0: "local-lvm:8,mp=/x,backup=0" }],
  ["a mount over ..", CT_CONFIG, { ...vm, digest, mp0: "local-lvm:8,mp=/srv/../etc" }],
  ["mounting inside", CT_CONFIG, { ...vm, digest, features: "mount=nfs" }],
  ["a device of the host in a container", CT_CONFIG, { ...vm, digest, dev0: "/dev/sda" }],
  ["a container without unprivileged", "POST /nodes/{node}/lxc", {
    node: "pve1",
    vmid: 300,
    ostemplate: "local:vztmpl/a.tar.gz",
  }],
  ["restoring by ostemplate", "POST /nodes/{node}/lxc", {
    node: "pve1",
    vmid: 300,
    unprivileged: true,
    ostemplate: "local:backup/vzdump-lxc-200.tar.zst",
  }],
  ["restoring a container", "POST /nodes/{node}/lxc", {
    node: "pve1",
    vmid: 300,
    unprivileged: true,
    ostemplate: "local:vztmpl/a.tar.gz",
    restore: 1,
  }],
  ["restoring a VM", "POST /nodes/{node}/qemu", {
    node: "pve1",
    vmid: 300,
    archive: "local:backup/vzdump-qemu-100.vma.zst",
  }],
  ["a node that climbs", "GET /nodes/{node}/status", { node: "../../access" }],
  ["a node of dots", "GET /nodes/{node}/status", { node: ".." }],
  ["an encoded slash", "GET /nodes/{node}/status", { node: "a%2fb" }],
  ["a negative vmid", "GET /nodes/{node}/qemu/{vmid}/config", { node: "pve1", vmid: -1 }],
  ["a vmid below 100", "GET /nodes/{node}/qemu/{vmid}/config", { node: "pve1", vmid: 99 }],
  ["a vmid that is too large", "GET /nodes/{node}/qemu/{vmid}/config", { node: "pve1", vmid: 1e10 }],
  ["a vmid with an exponent", "GET /nodes/{node}/qemu/{vmid}/config", { node: "pve1", vmid: "1e2" }],
  ["a vmid with more behind it", "GET /nodes/{node}/qemu/{vmid}/config", { node: "pve1", vmid: "100/../../x" }],
];
for (const [what, call, params] of refused) {
  Deno.test(`admit() refuses ${what}`, () => {
    assert.throws(() => admit(call, params), Refusal);
  });
}

Deno.test("admit() names the value in a refusal, and never a secret", () => {
  assert.throws(() => admit(VM_CONFIG, { ...vm, digest, scsi1: "/dev/sda" }), /scsi1.*\/dev\/sda/);
  try {
    admit(VM_CONFIG, { ...vm, digest, cipassword: "two\nlines" });
    assert.fail("it was admitted");
  } catch (error) {
    assert.ok(error instanceof Refusal && !error.message.includes("two"));
  }
});

Deno.test("admit() adds backup=1 to a new mount point", () => {
  const body = new URLSearchParams(admit(CT_CONFIG, { ...vm, digest, mp0: "local-lvm:8,mp=/srv" }).body);
  assert.equal(body.get("mp0"), "local-lvm:8,mp=/srv,backup=1");
});

Deno.test("admit() reads a MAC address as PVE does, and sends it by its own name", () => {
  const send = (net0: string) => new URLSearchParams(admit(VM_CONFIG, { ...vm, digest, net0 }).body).get("net0");
  assert.equal(send("virtio=BC:24:11:CF:16:19,bridge=vmbr0"), "virtio,macaddr=BC:24:11:CF:16:19,bridge=vmbr0");
  assert.throws(() => send("virtio=BC:24:11:CF:16:19,macaddr=BC:24:11:CF:16:20"), Refusal);
});

Deno.test("admit() encodes public keys once more for sshkeys", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA agent@example";
  const body = new URLSearchParams(admit(VM_CONFIG, { ...vm, digest, sshkeys: key }).body);
  assert.equal(decodeURIComponent(body.get("sshkeys") ?? ""), `${key}\n`);
  assert.ok(!(body.get("sshkeys") ?? "").includes(" "));
});

const anything = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.integer(),
  fc.boolean(),
  fc.double(),
  fc.constant(null),
  fc.object(),
);

Deno.test("admit() never lets a value change the request around it", () => {
  const names = Object.keys(catalogue[VM_CONFIG].params).map((name) => name.replace("[n]", "1"));
  fc.assert(
    fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), anything, { maxKeys: 4 }), (params) => {
      let request;
      try {
        request = admit(VM_CONFIG, { ...params, ...vm, digest });
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
        return;
      }
      assert.equal(request.path, "/nodes/pve1/qemu/100/config");
      assert.equal(request.query, "");
      // PVE's own reading of the body: split on & and ;, then decode.
      const pairs = (request.body ?? "").split(/[&;]/).map((pair) => decodeURIComponent(pair.split("=")[0] ?? ""));
      assert.equal(new Set(pairs).size, pairs.length, "a parameter repeats");
      for (const name of pairs) assert.ok(Object.hasOwn(params, name) || name === "digest");
      assert.ok(!pairs.some((name) => /^(?:delete|force|revert|unused|skiplock|protection)/.test(name)));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("admit() lets no text leave its path segment", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (node, storage) => {
      let path;
      try {
        path = admit("GET /nodes/{node}/storage/{storage}/content", { node, storage }).path;
      } catch (error) {
        assert.ok(error instanceof Refusal);
        return;
      }
      assert.match(path, /^\/nodes\/[A-Za-z0-9-]+\/storage\/[A-Za-z0-9._-]+\/content$/);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("admit() lets a disk be a new volume and nothing else", () => {
  const storage = fc.stringMatching(/^[a-z][a-z0-9-]{1,8}$/);
  const rest = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "vm-100-disk-0",
      "100/vm-100-disk-0.qcow2",
      "iso/x.iso",
      "base-9000-disk-0/vm-1-disk-0",
      "backup/x.vma",
    ),
    fc.integer({ min: 1, max: 9999 }).map(String),
  );
  fc.assert(
    fc.property(storage, rest, (name, volume) => {
      try {
        admit(VM_CONFIG, { ...vm, digest, scsi1: `${name}:${volume}` });
      } catch {
        return;
      }
      assert.match(volume, /^(?:\d+(?:\.\d+)?(?:,.*)?|cloudinit)$/, `${name}:${volume} was admitted`);
    }),
    { numRuns: 3000 },
  );
});

const base = (call: string): Record<string, unknown> => ({
  ...vm,
  ...call.startsWith("PUT") ? { digest } : {},
});

Deno.test("admit() knows the slots of each family up to PVE's last one", () => {
  const families: readonly [string, string, number, string][] = [
    [VM_CONFIG, "net", 31, "virtio"],
    [VM_CONFIG, "ipconfig", 31, "ip=dhcp"],
    [VM_CONFIG, "scsi", 30, "local-lvm:8"],
    [VM_CONFIG, "virtio", 15, "local-lvm:8"],
    [VM_CONFIG, "sata", 5, "local-lvm:8"],
    [VM_CONFIG, "ide", 3, "local-lvm:8"],
    [CT_CONFIG, "net", 31, "name=eth0"],
    [CT_CONFIG, "mp", 255, "local-lvm:8,mp=/srv,backup=1"],
  ];
  for (const [call, family, last, value] of families) {
    for (const slot of [0, 1, last - 1, last]) {
      const name = `${family}${slot}`;
      assert.equal(new URLSearchParams(admit(call, { ...base(call), [name]: value }).body).get(name), value);
    }
    const wrong = [
      `${last + 1}`,
      `${last + 2}`,
      "00",
      "01",
      "-1",
      "[n]",
      "",
      "1000",
      "0x",
      " 0",
      "0 ",
      "0\n",
      "１",
      "1.0",
      "1e0",
    ];
    for (const slot of wrong) {
      assert.throws(
        () => admit(call, { ...base(call), [`${family}${slot}`]: value }),
        (error) => error instanceof Refusal && error.message.includes("is never sent with it"),
        `${family}${slot}`,
      );
    }
    for (const name of [`x${family}0`, `${family.toUpperCase()}0`, ` ${family}0`, `\n${family}0`, `0${family}0`]) {
      assert.throws(() => admit(call, { ...base(call), [name]: value }), Refusal, name);
    }
  }
  // One serial port, which is a socket, and only of a VM that is made.
  const created = admit("POST /nodes/{node}/qemu", { ...vm, serial0: "socket" });
  assert.equal(new URLSearchParams(created.body).get("serial0"), "socket");
  for (const name of ["serial1", "serial2", "serial00", "serial"]) {
    assert.throws(() => admit("POST /nodes/{node}/qemu", { ...vm, [name]: "socket" }), /never sent with it/);
  }
  assert.throws(() => admit("POST /nodes/{node}/qemu", { ...vm, serial0: "/dev/ttyS0" }), /Refused serial0/);
  assert.throws(() => admit(VM_CONFIG, { ...vm, digest, serial0: "socket" }), /never sent with it/);
  // One kind's slots are not the other's.
  assert.throws(() => admit(CT_CONFIG, { ...vm, digest, scsi0: "local-lvm:8" }), /never sent with it/);
  assert.throws(() => admit(VM_CONFIG, { ...vm, digest, mp0: "local-lvm:8,mp=/srv" }), /never sent with it/);
});

Deno.test("admit() wants every variable of the path, as text or a number of its own", () => {
  for (const node of [undefined, null, {}, [], ["pve1"], true, () => "pve1"]) {
    assert.throws(() => admit("GET /nodes/{node}/status", { node }), Refusal);
  }
  assert.throws(() => admit("GET /nodes/{node}/status", {}), /node is missing/);
  assert.throws(() => admit("GET /nodes/{node}/status", Object.create({ node: "pve1" })), /node is missing/);
  assert.equal(admit("GET /nodes/{node}/status", { node: "pve1" }).path, "/nodes/pve1/status");
  const upid = "UPID:pve1:0012AB9F:01234567:6789ABCD:qmstart:100:a@pve!t:";
  assert.equal(
    admit("GET /nodes/{node}/tasks/{upid}/log", { node: "pve1", upid, start: 0, limit: 5 }).path,
    `/nodes/pve1/tasks/${upid}/log`,
  );
  for (const wrong of ["x", `${upid}/../x`, 5]) {
    assert.throws(() => admit("GET /nodes/{node}/tasks/{upid}/log", { node: "pve1", upid: wrong }), Refusal);
  }
});

Deno.test("admit() says what it builds: call, method, path, and either a query or a body", () => {
  assert.deepEqual({ ...admit("GET /cluster/resources", { type: "vm" }) }, {
    call: "GET /cluster/resources",
    method: "GET",
    path: "/cluster/resources",
    query: "type=vm",
    body: undefined,
  });
  assert.deepEqual({ ...admit("GET /version", {}) }, {
    call: "GET /version",
    method: "GET",
    path: "/version",
    query: "",
    body: undefined,
  });
  assert.deepEqual({ ...admit("POST /nodes/{node}/qemu/{vmid}/status/start", vm) }, {
    call: "POST /nodes/{node}/qemu/{vmid}/status/start",
    method: "POST",
    path: "/nodes/pve1/qemu/100/status/start",
    query: "",
    body: "",
  });
  const write = admit(VM_CONFIG, { ...vm, digest, memory: 512, description: "a b&c=d" });
  assert.equal(write.method, "PUT");
  assert.equal(write.query, "");
  assert.equal(write.body, `digest=${digest}&memory=512&description=a%20b%26c%3Dd`);
  assert.ok(Object.isFrozen(write));
});

Deno.test("admit() takes no value but text, numbers and booleans", () => {
  for (const value of [null, {}, [], ["1"], () => "1", Symbol("1"), 5n, { toString: () => "512" }, new Date()]) {
    for (const name of ["memory", "description", "net0", "onboot"]) {
      assert.throws(
        () => admit(VM_CONFIG, { ...vm, digest, [name]: value }),
        (error) => error instanceof Refusal || error instanceof TypeError,
        name,
      );
    }
  }
  assert.throws(
    () => admit(VM_CONFIG, { ...vm, digest, description: { toString: () => "x" } }),
    /must be text, a number or a boolean/,
  );
  for (const [value, kind] of [[null, "null"], [["1"], "a list"], [{ a: 1 }, "object"], [5n, "bigint"]] as const) {
    assert.throws(() => admit(VM_CONFIG, { ...vm, digest, memory: value }), new RegExp(`Refused memory="${kind}":`));
  }
});

Deno.test("admit() leaves out what is undefined, and names what has to be there", () => {
  assert.equal(admit(VM_CONFIG, { ...vm, digest, memory: undefined, delete: undefined }).body, `digest=${digest}`);
  assert.throws(() => admit(VM_CONFIG, { ...vm, digest: undefined, memory: 512 }), /never sent without digest/);
  assert.throws(() => admit(VM_CONFIG, vm), /never sent without digest/);
  assert.throws(() => admit("POST /nodes/{node}/qemu", { node: "pve1" }), /never sent without vmid/);
});

Deno.test("entryOf() refuses what is no call, whatever its type says", () => {
  for (const call of ["constructor", "__proto__", "toString", "", "GET /nope", "DELETE /nodes/{node}/qemu/{vmid}"]) {
    assert.throws(() => Reflect.apply(entryOf, undefined, [call]), /never sends it/);
  }
});

Deno.test("what cloud-init is given is asked for by one of three parts, and never without saying which", () => {
  const dump = "GET /nodes/{node}/qemu/{vmid}/cloudinit/dump";
  for (const type of ["user", "network", "meta"]) {
    assert.equal(admit(dump, { ...vm, type }).query, `type=${type}`);
  }
  for (const type of ["", "vendor", "User", "user,meta", 1]) {
    assert.throws(() => admit(dump, { ...vm, type }), /Refused type/);
  }
  assert.throws(() => admit(dump, vm), /never sent without type/);
});

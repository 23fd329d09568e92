/** How a half-made VM is told from any other, and what is taken out of cloud-config. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { withoutPasswords } from "../../src/tools/cloudinit.ts";
import { strangeIn } from "../../src/tools/half_made.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample agent@example";
const place = { vmid: 110, storage: "local-lvm" };
const wanted = {
  name: "cloud",
  cores: 2,
  memory: 2048,
  agent: "1",
  boot: "order=scsi0",
  net0: "virtio,bridge=vmbr0,tag=20",
  sshkeys: `# mine\n${KEY}\n`,
  ciupgrade: false,
  tags: "Web,prod",
  ciuser: undefined,
};
const config = {
  name: "cloud",
  cores: 2,
  memory: "2048",
  agent: "1",
  boot: "order=scsi0",
  net0: "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20",
  sshkeys: encodeURIComponent(KEY),
  ciupgrade: false,
  tags: "prod;web",
  scsi0: "local-lvm:vm-110-disk-0,discard=on,iothread=1,size=3G",
  ide2: "local-lvm:vm-110-cloudinit,media=cdrom",
  digest: "a".repeat(40),
  meta: "creation-qemu=10.0.2,ctime=1",
  smbios1: "uuid=1",
  vmgenid: "1",
};

Deno.test("the VM that the call would have made is recognised, whatever PVE has made of the values", () => {
  assert.deepEqual(strangeIn(config, wanted, place), []);
  assert.deepEqual(strangeIn({ ...config, ciupgrade: "0", cores: "2" }, wanted, place), []);
  const files = { scsi0: "nas:110/vm-110-disk-1.raw,size=3G", ide2: "nas:110/vm-110-cloudinit.qcow2,media=cdrom" };
  assert.deepEqual(strangeIn({ ...config, ...files }, wanted, { ...place, storage: "nas" }), []);
  assert.deepEqual(strangeIn({ ...config, cipassword: "**********" }, { ...wanted, cipassword: "x" }, place), []);
  assert.deepEqual(
    strangeIn({ ...config, net0: "virtio,macaddr=BC:24:11:00:00:01,tag=20,bridge=vmbr0" }, wanted, place),
    [],
  );
});

Deno.test("any setting that differs, is missing or is more makes it somebody else's", () => {
  const keys = Object.keys(config).filter((key) => !["digest", "meta", "smbios1", "vmgenid"].includes(key));
  for (const key of keys) {
    assert.deepEqual(strangeIn({ ...config, [key]: undefined }, wanted, place), [key]);
    assert.deepEqual(strangeIn({ ...config, [key]: "other" }, wanted, place), [key]);
  }
  for (
    const key of ["scsi1", "virtio0", "ide0", "unused0", "efidisk0", "parent", "lock", "template", "net1", "protection"]
  ) {
    assert.deepEqual(strangeIn({ ...config, [key]: 1 }, wanted, place), [key]);
  }
  for (const key of ["cipassword", "ciuser"]) {
    assert.deepEqual(strangeIn({ ...config, [key]: "x" }, wanted, place), [key]);
    assert.deepEqual(strangeIn(config, { ...wanted, [key]: "x" }, place), [key]);
  }
  for (
    const scsi0 of [
      "local-lvm:vm-111-disk-0,size=3G",
      "local-lvm:base-110-disk-0,size=3G",
      "local-lvm:base-9000-disk-0/vm-110-disk-0,size=3G",
      "ceph:vm-110-disk-0,size=3G",
      "local-lvm:vm-110-disk-0/x,size=3G",
      "local-lvm:vm-1101-disk-0",
      "/dev/sdb",
      "none,media=cdrom",
    ]
  ) assert.deepEqual(strangeIn({ ...config, scsi0 }, wanted, place), ["scsi0"]);
  for (const ide2 of ["local-lvm:vm-111-cloudinit,media=cdrom", "local:iso/x.iso,media=cdrom", "none,media=cdrom"]) {
    assert.deepEqual(strangeIn({ ...config, ide2 }, wanted, place), ["ide2"]);
  }
  for (const net0 of ["virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=20", "e1000=BC:24:11:00:00:01,bridge=vmbr0,tag=20"]) {
    assert.deepEqual(strangeIn({ ...config, net0 }, wanted, place), ["net0"]);
  }
  fc.assert(fc.property(fc.constantFrom(...keys), fc.string({ minLength: 1 }), (key, value) => {
    const same = Object.entries(config).find(([name]) => name === key)?.[1];
    fc.pre(value.trim() !== "" && value.trim().toLowerCase() !== String(same) && value.trim() !== "0");
    assert.deepEqual(strangeIn({ ...config, [key]: value }, wanted, place), [key]);
  }));
});

Deno.test("no password and no hash of one is left in cloud-config, and nothing else is taken out", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9$./!#:'"{}-]{6,40}$/).filter((text) => /[A-Za-z]{3}/.test(text));
  const field = fc.constantFrom(
    "password",
    "passwd",
    "hashed_passwd",
    "  plain_text_passwd",
    '    "admin_pass"',
    "- password",
  );
  fc.assert(fc.property(field, secret, (name, value) => {
    const text = `#cloud-config\nuser: a\n${name}: ${value}\nchpasswd:\n  expire: False\n`;
    const shown = withoutPasswords(text);
    assert.equal(shown, `#cloud-config\nuser: a\n${name}: (set, not shown)\nchpasswd:\n  expire: False\n`);
  }));
  for (
    const hash of [
      "$5$salt$abc/def.",
      "$6$rounds=5000$s$abc",
      "$1$s$abc",
      "$2b$12$abc",
      "$y$j9T$s$abc",
      "$gy$j9T$s$abc",
    ]
  ) {
    assert.equal(withoutPasswords(`a:\n  - ["admin", "${hash}"]\n`), 'a:\n  - ["admin", "(not shown)"]\n');
    assert.equal(withoutPasswords(`x: ${hash}`), "x: (not shown)");
  }
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.constantFrom("admin_pass", "password", "passwd"), (value, name) => {
      const members = (content: string) =>
        JSON.stringify({ uuid: "ab", [name]: content, network_config: { path: "/0" } });
      assert.equal(withoutPasswords(members(value)), members("(set, not shown)"));
    }),
  );
  const plain = "ssh_pwauth: true\nchpasswd:\n  expire: False\ncost: $5\nssh_authorized_keys:\n  - ssh-rsa AAAA$5 x\n";
  assert.equal(withoutPasswords(plain), plain);
});

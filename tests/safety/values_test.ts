/** What each rule lets through, letter by letter and length by length: the nearest values on both sides of every limit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../src/errors.ts";
import type { Rule, Scalar } from "../../src/safety/rules.ts";
import * as v from "../../src/safety/values.ts";

const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER = UPPER.toLowerCase();
const DIGITS = "0123456789";
const LETTERS = UPPER + LOWER;
const WORD = LETTERS + DIGITS;
/** All of ASCII, a fullwidth digit, an Arabic one, a Cyrillic letter, a non-breaking space, a line separator. */
const EVERY = [
  ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
  "１",
  "٣",
  "а",
  "\u00a0",
  "\u2028",
];

/** A value that is sent as it is, or as the second of a pair. */
type Passing = Scalar | readonly [Scalar, string];

function passes(rule: Rule, ...values: readonly Passing[]): void {
  for (const one of values) {
    const [value, sent] = typeof one === "object" ? one : [one, String(one)];
    assert.equal(rule(value, "x"), sent);
  }
}

function refuses(rule: Rule, ...values: readonly Scalar[]): void {
  for (const value of values) assert.throws(() => rule(value, "x"), Refusal, `${JSON.stringify(value)} got through`);
}

/** Exactly the characters of `allowed` may stand where `put` puts them. */
function letters(rule: Rule, put: (char: string) => string, allowed: string): void {
  for (const char of EVERY) {
    if (allowed.includes(char)) passes(rule, put(char));
    else refuses(rule, put(char));
  }
}

/** Exactly the lengths from `minimum` to `maximum` pass. */
function lengths(rule: Rule, make: (length: number) => string, minimum: number, maximum: number): void {
  passes(rule, make(minimum), make(minimum + 1), make(maximum - 1), make(maximum));
  refuses(rule, make(maximum + 1), ...minimum > 0 ? [make(minimum - 1)] : []);
}

const many = (count: number, char = "a") => char.repeat(Math.max(0, count));

Deno.test("numbers of guests", () => {
  passes(v.vmid, 100, 101, "100", 999_999_999, "999999999");
  refuses(
    v.vmid,
    99,
    1_000_000_000,
    "1e2",
    " 100",
    "100 ",
    "100\n",
    100.5,
    "０100",
    "",
    true,
    Number.NaN,
    Infinity,
    "-100",
  );
});

Deno.test("names of nodes are DNS labels", () => {
  letters(v.nodeName, (c) => `${c}1`, WORD);
  letters(v.nodeName, (c) => `1${c}`, WORD);
  letters(v.nodeName, (c) => `a${c}1`, `${WORD}-`);
  letters(v.nodeName, (c) => c, WORD);
  lengths(v.nodeName, (n) => many(n), 1, 63);
  refuses(v.nodeName, "..", ".", "a/b", "a%2fb", "pve1\n", "\npve1", "pve1 x");
});

Deno.test("names of storages", () => {
  letters(v.storageName, (c) => `${c}a`, LETTERS);
  letters(v.storageName, (c) => `a${c}`, WORD);
  letters(v.storageName, (c) => `a${c}z`, `${WORD}._-`);
  lengths(v.storageName, (n) => many(n), 2, 100);
});

Deno.test("names of bridges", () => {
  letters(v.bridgeName, (c) => `${c}a`, LETTERS);
  letters(v.bridgeName, (c) => `a${c}`, `${WORD}_.-`);
  lengths(v.bridgeName, (n) => many(n), 1, 32);
});

Deno.test("MAC addresses", () => {
  letters(v.macAddress, (c) => `BC:24:11:00:00:0${c}`, `${DIGITS}abcdefABCDEF`);
  letters(v.macAddress, (c) => `${c}C:24:11:00:00:00`, `${DIGITS}abcdefABCDEF`);
  letters(v.macAddress, (c) => `BC${c}24:11:00:00:00`, ":");
  refuses(
    v.macAddress,
    "BC:24:11:00:00",
    "BC:24:11:00:00:00:00",
    "BC:24:11:00:00:0",
    "C:24:11:00:00:00",
    "BC:24:11:00:00:000",
  );
  refuses(v.macAddress, "BCC:24:11:00:00:00");
});

Deno.test("DNS names", () => {
  letters(v.dnsName, (c) => `a.${c}`, WORD);
  letters(v.dnsName, (c) => `a${c}b`, `${WORD}-.`);
  letters(v.dnsName, (c) => `a.b${c}c`, `${WORD}-.`);
  passes(v.dnsName, "a", "a.b.c", many(63), `a.${many(63)}`, "a--b");
  refuses(v.dnsName, "", ".", "a.", ".a", "a..b", many(64), `a.${many(64)}`, "-a", "a-", "a.-b", "a b");
  const long = `${many(126, "a.")}a`;
  passes(v.dnsName, `${long}aa`);
  refuses(v.dnsName, `${long}aaa`);
});

Deno.test("names of pools", () => {
  letters(v.poolName, (c) => c, `${WORD}._-`);
  letters(v.poolName, (c) => `a/${c}`, `${WORD}._-`);
  passes(v.poolName, "a/b/c", "aa/bb/cc", many(100));
  refuses(v.poolName, "", "a/b/c/d", "/a", "a/", "a//b", many(101));
});

Deno.test("digests", () => {
  letters(v.digest, (c) => many(39) + c, `${DIGITS}abcdef`);
  passes(v.digest, many(40));
  refuses(v.digest, many(39), many(41));
});

Deno.test("names of snapshots", () => {
  letters(v.configId, (c) => `${c}a`, LETTERS);
  letters(v.configId, (c) => `a${c}`, `${WORD}_-`);
  lengths(v.configId, (n) => many(n), 2, 40);
});

Deno.test("UPIDs", () => {
  const upid = (over: Record<string, string> = {}) => {
    const parts = {
      node: "pve1",
      pid: "0012AB9F",
      start: "01234567",
      time: "6789ABCD",
      type: "qmstart",
      id: "100",
      user: "a@pve!t",
      ...over,
    };
    return `UPID:${parts.node}:${parts.pid}:${parts.start}:${parts.time}:${parts.type}:${parts.id}:${parts.user}:`;
  };
  passes(v.upid, upid(), upid({ start: "012345678" }), upid({ id: "" }));
  letters(v.upid, (c) => upid({ node: c }), `${WORD}-`);
  lengths(v.upid, (n) => upid({ node: many(n) }), 1, 63);
  for (const field of ["pid", "time"]) {
    letters(v.upid, (c) => upid({ [field]: `0000000${c}` }), `${DIGITS}ABCDEF`);
    refuses(v.upid, upid({ [field]: many(7, "0") }), upid({ [field]: many(9, "0") }));
  }
  letters(v.upid, (c) => upid({ start: `0000000${c}` }), `${DIGITS}ABCDEF`);
  lengths(v.upid, (n) => upid({ start: many(n, "0") }), 8, 9);
  letters(v.upid, (c) => upid({ type: c }), `${WORD}_-`);
  lengths(v.upid, (n) => upid({ type: many(n) }), 1, 64);
  letters(v.upid, (c) => upid({ id: c, user: "abc" }), `${WORD}@._-`);
  lengths(v.upid, (n) => upid({ id: many(n) }), 0, 128);
  letters(v.upid, (c) => upid({ user: `ab${c}` }), `${WORD}@!._-`);
  lengths(v.upid, (n) => upid({ user: many(n) }), 3, 128);
  refuses(v.upid, `x${upid()}`, `${upid()}x`, upid().slice(0, -1), upid().replace("UPID", "upid"), "");
  const longest = { node: many(63), start: many(9, "0"), type: many(64), id: many(128), user: many(128) };
  passes(v.upid, upid(longest));
});

Deno.test("tags", () => {
  letters(v.tags, (c) => c, `${WORD}_`);
  letters(v.tags, (c) => `a;${c}`, `${WORD}_`);
  letters(v.tags, (c) => `a${c}b`, `${WORD}_.+-;, `);
  letters(v.tags, (c) => `a;b${c}c`, `${WORD}_.+-;, `);
  passes(v.tags, "", "a", "a;b;c", "a,b c");
  refuses(v.tags, ";", "a;", ";a", "a;;b", "a;-b");
  passes(v.tags, many(1024));
  refuses(v.tags, many(1025));
});

Deno.test("lists of IP addresses", () => {
  passes(
    v.addressList,
    "192.0.2.1",
    "192.0.2.1 2001:db8::1",
    "192.0.2.1,192.0.2.2;192.0.2.3",
    "2001:db8::1 192.0.2.1",
    "1.1.1.1",
  );
  letters(v.addressList, (c) => `a:${c}`, `${DIGITS}abcdefABCDEF:.`);
  letters(v.addressList, (c) => `::1 b:${c}`, `${DIGITS}abcdefABCDEF:.`);
  letters(v.addressList, (c) => `192.0.2.1${c}192.0.2.1`, `${DIGITS}abcdefABCDEF:. ,;`);
  refuses(v.addressList, "", "192.0.2.1 ", " 192.0.2.1", "host", "192.0.2.1  192.0.2.2", "a", "::1,");
  lengths(v.addressList, (n) => many(n), 2, 45);
  lengths(v.addressList, (n) => `::1 ${many(n)}`, 2, 45);
  const long = (n: number) => `${"::1 ".repeat(125)}${many(n - 500)}`;
  passes(v.addressList, long(512));
  refuses(v.addressList, long(513));
});

Deno.test("a new volume is STORAGE:GIB and nothing else", () => {
  letters(v.newVolume, (c) => `local-lvm:${c}`, "123456789");
  letters(v.newVolume, (c) => `local-lvm:1${c}`, DIGITS);
  letters(v.newVolume, (c) => `local-lvm:1${c}5`, `${DIGITS}.`);
  letters(v.newVolume, (c) => `local-lvm:${c}.5`, DIGITS);
  letters(v.newVolume, (c) => `local-lvm:0.1${c}`, DIGITS);
  letters(v.newVolume, (c) => `local-lvm:0.${c}`, "123456789");
  letters(v.newVolume, (c) => `local${c}8`, ":");
  letters(v.newVolume, (c) => `${c}a:8`, LETTERS);
  letters(v.newVolume, (c) => `a${c}:8`, WORD);
  letters(v.newVolume, (c) => `a${c}a:8`, `${WORD}._-`);
  lengths(v.newVolume, (n) => `${many(n)}:8`, 2, 100);
  lengths(v.newVolume, (n) => `ab:${many(n, "1")}`, 1, 6);
  lengths(v.newVolume, (n) => `ab:${many(n, "1")}.5`, 1, 6);
  lengths(v.newVolume, (n) => `ab:0.${many(n, "1")}`, 1, 3);
  lengths(v.newVolume, (n) => `ab:1.${many(n, "1")}`, 1, 3);
  refuses(
    v.newVolume,
    "ab:0",
    "ab:08",
    "ab:",
    ":8",
    "8",
    "ab:8:8",
    "ab:8.",
    "ab:.5",
    "ab:-8",
    "ab:8G",
    "ab:vm-100-disk-0",
    "/dev/sda",
    "ab:8 ",
    "ab:8.5.5",
    "ab:8.x",
    "ab:8.5x",
    8,
  );
});

Deno.test("new disks", () => {
  passes(v.newDisk, "ab:8", "ab:8,iothread=1,ssd=0");
  for (const cache of ["none", "writethrough", "writeback", "directsync"]) passes(v.newDisk, `ab:8,cache=${cache}`);
  for (const discard of ["on", "ignore"]) passes(v.newDisk, `ab:8,discard=${discard}`);
  for (const format of ["raw", "qcow2", "vmdk"]) passes(v.newDisk, `ab:8,format=${format}`);
  for (const aio of ["native", "threads", "io_uring"]) passes(v.newDisk, `ab:8,aio=${aio}`);
  for (const key of ["cache", "discard", "iothread", "ssd", "format", "aio"]) {
    refuses(v.newDisk, `ab:8,${key}=`, `ab:8,${key}=x`, `ab:8,${key}`);
  }
  refuses(
    v.newDisk,
    "",
    "cache=none",
    "file=ab:8",
    "ab:8,ab:8",
    "ab:8,size=8G",
    "ab:8,shared=1",
    "ab:8,cache=unsafe",
    "ab:8,media=disk",
  );
});

Deno.test("a drive slot takes a new disk, a CD-ROM or a cloud-init drive", () => {
  const iso = (name: string) => `local:iso/${name},media=cdrom`;
  passes(
    v.driveSlot,
    "ab:8",
    "ab:8,ssd=1",
    "none,media=cdrom",
    "ab:cloudinit",
    iso("a.iso"),
    iso("a.img"),
    iso("a.ISO"),
    iso("a.IMG"),
  );
  letters(v.driveSlot, (c) => iso(`${c}.iso`), WORD);
  letters(v.driveSlot, (c) => iso(`a${c}.iso`), `${WORD}._+@ ()-`);
  lengths(v.driveSlot, (n) => iso(`${many(n)}.iso`), 1, 201);
  letters(v.driveSlot, (c) => iso(`a${c}iso`), ".");
  letters(v.driveSlot, (c) => `${c}a:iso/a.iso,media=cdrom`, LETTERS);
  letters(v.driveSlot, (c) => `${c}a:cloudinit`, LETTERS);
  refuses(
    v.driveSlot,
    "media=cdrom",
    "none",
    "local:iso/a.iso",
    "local:iso/a.iso,media=disk",
    "ab:8,media=cdrom",
    "none,media=cdrom,ssd=1",
  );
  refuses(
    v.driveSlot,
    "none,media=cdrom,media=cdrom",
    "local:iso/../a.iso,media=cdrom",
    "local:iso/a/b.iso,media=cdrom",
    "local:import/a.iso,media=cdrom",
  );
  refuses(
    v.driveSlot,
    "local:iso/a.qcow2,media=cdrom",
    "local:iso/.iso,media=cdrom",
    "/a.iso,media=cdrom",
    "xnone,media=cdrom",
    "nonex,media=cdrom",
  );
  refuses(
    v.driveSlot,
    "ab:cloudinit,media=cdrom",
    "ab:cloudinit,ssd=1",
    ":cloudinit",
    "cloudinit",
    "ab:8:cloudinit",
    "ab:vm-100-cloudinit",
    "ab:cloudinitx",
  );
  refuses(v.driveSlot, "xmedia=cdrom", 8, true);
});

Deno.test("EFI disks and TPM states are new volumes", () => {
  passes(
    v.efiDisk,
    "ab:1,efitype=4m,pre-enrolled-keys=1",
    "ab:1,efitype=2m",
    ...["raw", "qcow2", "vmdk"].map((f) => `ab:1,format=${f}`),
  );
  refuses(
    v.efiDisk,
    "ab:vm-100-disk-0",
    "efitype=4m",
    "ab:1,efitype=8m",
    "ab:1,pre-enrolled-keys=x",
    "ab:1,size=4M",
    "ab:1,import-from=ab:2",
    "ab:1,format=x",
  );
  passes(v.tpmState, "ab:1,version=v1.2", "ab:1,version=v2.0", "ab:1");
  refuses(v.tpmState, "ab:vm-100-disk-0", "version=v2.0", "ab:1,version=v3.0", "ab:1,size=4M");
});

Deno.test("root file systems and mount points are new volumes, and mount points are backed up", () => {
  passes(v.rootFilesystem, "ab:8", "ab:0.5");
  refuses(
    v.rootFilesystem,
    "",
    "ab:8,acl=1",
    "volume=ab:8",
    "/srv",
    "ab:subvol-100-disk-0",
    "ab:8,mountoptions=nodev",
    "ab:8,quota=1",
  );
  passes(v.mountPoint, ["ab:8,mp=/srv", "ab:8,mp=/srv,backup=1"], "ab:8,mp=/srv,backup=1", [
    "ab:8,ro=1,acl=0,mp=/a/b",
    "ab:8,ro=1,acl=0,mp=/a/b,backup=1",
  ]);
  letters(v.mountPoint, (c) => `ab:8,backup=1,mp=/${c}`, `${WORD}_`);
  letters(v.mountPoint, (c) => `ab:8,backup=1,mp=/a${c}b`, `${WORD}_.-/`);
  letters(v.mountPoint, (c) => `ab:8,backup=1,mp=/a/b${c}c`, `${WORD}_.-/`);
  refuses(
    v.mountPoint,
    "ab:8",
    "mp=/srv",
    "ab:8,mp=srv",
    "ab:8,mp=",
    "ab:8,mp=/",
    "ab:8,mp=/srv/",
    "ab:8,mp=/srv//a",
    "ab:8,mp=/..",
    "ab:8,mp=/a/../b",
    "ab:8,mp=/.a",
  );
  refuses(
    v.mountPoint,
    "ab:8,mp=/srv,backup=0",
    "ab:8,mp=/srv,ro=x",
    "ab:8,mp=/srv,acl=x",
    "ab:8,mp=/srv,shared=1",
    "/etc,mp=/srv",
    "ab:subvol-1-disk-0,mp=/srv",
  );
});

const mac = "BC:24:11:00:00:01";

Deno.test("network devices of VMs", () => {
  for (const model of ["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"]) {
    passes(v.vmNetwork, model, [`${model}=${mac},bridge=vmbr0`, `${model},macaddr=${mac},bridge=vmbr0`], [
      `${model}=${mac}`,
      `${model},macaddr=${mac}`,
    ]);
  }
  passes(
    v.vmNetwork,
    `virtio,macaddr=${mac},bridge=vmbr0,tag=1,firewall=1,rate=0.5,mtu=1,queues=0,link_down=1`,
    "virtio,tag=4094,rate=100000,mtu=65520,queues=64",
    "virtio,rate=0",
  );
  letters(v.vmNetwork, (c) => `virtio,trunks=${c}`, DIGITS);
  letters(v.vmNetwork, (c) => `virtio,trunks=1${c}2`, `${DIGITS}-;`);
  letters(v.vmNetwork, (c) => `virtio,trunks=1-${c}`, DIGITS);
  letters(v.vmNetwork, (c) => `virtio,trunks=1;${c}`, DIGITS);
  letters(v.vmNetwork, (c) => `virtio,trunks=1;2${c}3`, `${DIGITS}-;`);
  letters(v.vmNetwork, (c) => `virtio,trunks=1;2-${c}`, DIGITS);
  for (const lead of ["", "1-", "1;", "1;2-"]) {
    lengths(
      v.vmNetwork,
      (n) => `virtio,trunks=${lead}${many(n, "1")}`,
      1,
      4,
    );
  }
  passes(v.vmNetwork, "virtio,trunks=1;2;3", "virtio,trunks=1-2;3-4;5-6");
  refuses(v.vmNetwork, "virtio,trunks=1-2-3", "virtio,trunks=1;2-3-4");
  refuses(
    v.vmNetwork,
    "",
    "bridge=vmbr0",
    "model=virtio",
    "ne2k",
    "virtio,tag=0",
    "virtio,tag=4095",
    "virtio,rate=100001",
    "virtio,mtu=0",
    "virtio,mtu=65521",
    "virtio,queues=65",
    "virtio,queues=-1",
  );
  refuses(
    v.vmNetwork,
    "virtio,firewall=x",
    "virtio,link_down=x",
    "virtio,bridge=",
    "virtio,script=/x",
    "virtio,macaddr=x",
    "virtio,macaddr=",
    `virtio=${mac},macaddr=${mac}`,
    `virtio=${mac},bridge=vmbr0,macaddr=${mac}`,
  );
  refuses(
    v.vmNetwork,
    `virtio=${mac}x`,
    `xvirtio=${mac}`,
    `virtio=${mac},`,
    "virtio=,bridge=vmbr0",
    `virtio=${mac}\n`,
    `model=virtio=${mac}`,
    `virtio=${mac};bridge=vmbr0`,
  );
});

Deno.test("network devices of containers", () => {
  passes(
    v.containerNetwork,
    `name=eth0,bridge=vmbr0,hwaddr=${mac},ip=dhcp,ip6=auto,tag=1,firewall=1,rate=0,mtu=64,link_down=0,type=veth`,
    "name=eth0,tag=4094,rate=100000,mtu=65535",
  );
  passes(
    v.containerNetwork,
    "name=eth0,ip=192.0.2.10/24,gw=192.0.2.1,ip6=2001:db8::2/64,gw6=2001:db8::1",
    "name=eth0,ip=manual,ip6=manual",
    "name=eth0,ip6=dhcp",
  );
  letters(v.containerNetwork, (c) => `name=${c}`, LETTERS);
  letters(v.containerNetwork, (c) => `name=a${c}`, `${WORD}_.-`);
  lengths(v.containerNetwork, (n) => `name=${many(n)}`, 1, 15);
  letters(v.containerNetwork, (c) => `name=a,trunks=${c}`, DIGITS);
  letters(v.containerNetwork, (c) => `name=a,trunks=1;${c}`, DIGITS);
  letters(v.containerNetwork, (c) => `name=a,trunks=1${c}2`, `${DIGITS};`);
  for (const lead of ["", "1;"]) lengths(v.containerNetwork, (n) => `name=a,trunks=${lead}${many(n, "1")}`, 1, 4);
  passes(v.containerNetwork, "name=a,trunks=1;2;3");
  refuses(
    v.containerNetwork,
    "",
    "bridge=vmbr0",
    "eth0",
    "name=a,tag=0",
    "name=a,tag=4095",
    "name=a,rate=100001",
    "name=a,mtu=63",
    "name=a,mtu=65536",
    "name=a,type=phys",
    "name=a,firewall=x",
  );
  refuses(
    v.containerNetwork,
    "name=a,link_down=x",
    "name=a,bridge=/",
    "name=a,hwaddr=x",
    "name=a,gw=x",
    "name=a,gw6=x",
    "name=a,ip=x",
    "name=a,ip6=x",
    "name=a,host-managed=1",
    "name=a,ip=auto",
  );
});

Deno.test("addresses of cloud-init", () => {
  passes(
    v.ipConfig,
    "ip=dhcp",
    "ip=manual",
    "ip=192.0.2.10/24,gw=192.0.2.1",
    "ip6=auto",
    "ip6=dhcp",
    "ip6=manual",
    "ip6=2001:db8::2/64,gw6=2001:db8::1",
  );
  letters(v.ipConfig, (c) => `ip=${c}.0.2.1/8`, DIGITS);
  letters(v.ipConfig, (c) => `ip=1.0.2.${c}/8`, DIGITS);
  letters(v.ipConfig, (c) => `ip=192${c}0.2.1/8`, ".");
  letters(v.ipConfig, (c) => `ip=192.0.2.1/${c}`, DIGITS);
  letters(v.ipConfig, (c) => `ip=192.0.2.1${c}8`, "/");
  lengths(v.ipConfig, (n) => `ip=192.0.2.1/${many(n, "8")}`, 1, 2);
  lengths(v.ipConfig, (n) => `ip=${many(n, "1")}.0.2.1/24`, 1, 3);
  lengths(v.ipConfig, (n) => `ip=1.0.2.${many(n, "1")}/24`, 1, 3);
  letters(v.ipConfig, (c) => `ip6=:${c}/8`, `${DIGITS}abcdefABCDEF:.`);
  letters(v.ipConfig, (c) => `ip6=::1/${c}`, DIGITS);
  lengths(v.ipConfig, (n) => `ip6=${many(n)}/64`, 2, 45);
  lengths(v.ipConfig, (n) => `ip6=::1/${many(n, "1")}`, 1, 3);
  letters(v.ipConfig, (c) => `gw6=:${c}`, `${DIGITS}abcdefABCDEF:.`);
  lengths(v.ipConfig, (n) => `gw6=${many(n)}`, 2, 45);
  passes(v.ipConfig, "gw=192.0.2.1", "gw=::1");
  refuses(
    v.ipConfig,
    "ip=1.2.3/8",
    "ip=1.2.3.4.5/8",
    "ip=192.0.2.1",
    "ip6=::1",
    "ip=auto",
    "ip6=x",
    "gw6=x",
    "gw=dhcp",
    "ip=",
    "x=1",
    "",
    "dhcp",
    "ip=dhcpx",
    "ip=xdhcp",
    "ip6=autox",
    "ip6=xmanual",
  );
});

Deno.test("addresses of cloud-init are addresses", () => {
  refuses(v.ipConfig, "ip=x", "ip6=x", "gw=x", "gw6=x", "ip6=", "gw=", "gw6=");
});

Deno.test("features of containers", () => {
  passes(v.containerFeatures, "nesting=1", "keyctl=0,fuse=1", "nesting=1,keyctl=1,fuse=0");
  refuses(v.containerFeatures, "mount=nfs", "mknod=1", "force_rw_sys=1", "nesting=2", "keyctl=x", "fuse=", "", "1");
});

Deno.test("agent, CPU, display, start order", () => {
  passes(
    v.guestAgent,
    "1",
    "0",
    [true, "1"],
    [false, "0"],
    [1, "1"],
    "1,fstrim_cloned_disks=1,freeze-fs-on-backup=0,type=virtio",
    "1,type=isa",
  );
  refuses(
    v.guestAgent,
    "2",
    "enabled=1",
    "type=isa",
    "1,type=x",
    "1,fstrim_cloned_disks=x",
    "1,freeze-fs-on-backup=x",
    "1,x=1",
  );
  letters(v.cpuType, (c) => c, WORD);
  letters(v.cpuType, (c) => `a${c}`, `${WORD}_.-`);
  lengths(v.cpuType, (n) => many(n), 1, 64);
  letters(v.cpuType, (c) => `host,flags=${c}aes`, "+-");
  letters(v.cpuType, (c) => `host,flags=+${c}`, `${LOWER}${DIGITS}_.-`);
  letters(v.cpuType, (c) => `host,flags=+a${c}`, `${LOWER}${DIGITS}_.-`);
  letters(v.cpuType, (c) => `host,flags=+a;${c}b`, "+-");
  letters(v.cpuType, (c) => `host,flags=+a;-${c}`, `${LOWER}${DIGITS}_.-`);
  letters(v.cpuType, (c) => `host,flags=+a${c}-b`, `${LOWER}${DIGITS}_.-;`);
  passes(v.cpuType, "host,flags=+aes;-pcid;+x2");
  refuses(
    v.cpuType,
    "",
    "cputype=host",
    "host,hidden=1",
    "host,flags=",
    "host,flags=aes",
    "host,flags=+",
    "host,flags=+a;",
    "host,flags=+a;+",
    "flags=+aes",
  );
  for (const type of ["std", "virtio", "virtio-gl", "qxl", "vmware", "cirrus", "none"]) passes(v.display, type);
  passes(v.display, "std,memory=4", "std,memory=512");
  refuses(v.display, "serial0", "std,memory=3", "std,memory=513", "memory=16", "std,clipboard=vnc", "type=std");
  passes(v.startupOrder, "0", "1,up=0,down=0", "100000,up=86400,down=86400", [5, "5"], "up=1");
  refuses(v.startupOrder, "100001", "-1", "1,up=86401", "1,up=-1", "1,down=86401", "1,down=-1", "order=1", "any");
});

Deno.test("boot orders", () => {
  for (const device of ["scsi", "virtio", "sata", "ide", "net"]) {
    passes(v.bootOrder, `order=${device}0`, `order=net0;${device}12;net1`);
  }
  letters(v.bootOrder, (c) => `order=scsi${c}`, DIGITS);
  letters(v.bootOrder, (c) => `order=net0;scsi${c}`, DIGITS);
  letters(v.bootOrder, (c) => `order=net0${c}net1`, ";");
  lengths(v.bootOrder, (n) => `order=scsi${many(n, "1")}`, 1, 2);
  lengths(v.bootOrder, (n) => `order=net0;scsi${many(n, "1")}`, 1, 2);
  refuses(
    v.bootOrder,
    "",
    "order=",
    "scsi0",
    "order=usb0",
    "order=hostpci0",
    "order=scsi0;",
    "order=scsi0;usb0",
    "cdn",
    "legacy=cdn",
    "order=scsi0,legacy=c",
  );
});

Deno.test("machine types", () => {
  for (const kind of ["pc-i440fx", "pc-q35"]) {
    passes(v.machineType, `${kind}-9.2`, `${kind}-10.0.1`, `${kind}-9.2+pve1`, `${kind}-9.2+pve12`, `${kind}-10.12.13`);
    letters(v.machineType, (c) => `${kind}-${c}.2`, DIGITS);
    letters(v.machineType, (c) => `${kind}-9.${c}`, DIGITS);
    letters(v.machineType, (c) => `${kind}-9${c}2`, ".");
    letters(v.machineType, (c) => `${kind}-9.2+pve${c}`, DIGITS);
    letters(v.machineType, (c) => `${kind}-9.2${c}pve1`, "+");
    refuses(
      v.machineType,
      `${kind}`,
      `${kind}-9`,
      `${kind}-9.`,
      `${kind}-9.2+pve`,
      `${kind}-9.2+pve1+pve1`,
      `${kind}-.2`,
      `x${kind}-9.2`,
      `${kind}-9..2`,
    );
  }
  passes(v.machineType, "pc", "q35", "virt");
  refuses(v.machineType, "", "xpc", "pcx", "q35,viommu=intel", "type=q35", "q", "microvm");
});

Deno.test("container templates are never backups", () => {
  const template = (name: string) => `local:vztmpl/${name}`;
  for (const end of ["tar.gz", "tar.xz", "tar.zst", "tar.bz2", "tar", "txz", "tgz"]) {
    passes(v.containerTemplate, template(`a.${end}`));
  }
  letters(v.containerTemplate, (c) => template(`${c}.tar.gz`), WORD);
  letters(v.containerTemplate, (c) => template(`a${c}.tar.gz`), `${WORD}._+-`);
  letters(v.containerTemplate, (c) => template(`a${c}tgz`), ".");
  letters(v.containerTemplate, (c) => template(`a.tar${c}zst`), ".");
  lengths(v.containerTemplate, (n) => template(`${many(n)}.tar.gz`), 1, 201);
  letters(v.containerTemplate, (c) => `${c}a:vztmpl/a.tgz`, LETTERS);
  refuses(
    v.containerTemplate,
    "local:backup/a.tar.zst",
    template("../a.tgz"),
    template("a/b.tgz"),
    template("a.zip"),
    template(".tgz"),
    "/a.tgz",
    template("a.tgzx"),
    `x ${template("a.tgz")}`,
    "a.tgz",
    template("a.tar."),
  );
});

Deno.test("backups, by the names that PVE gives them", () => {
  const DAY = "2026_11_22-02_00_59";
  const MOMENT = "2026-11-22T02:00:59Z";
  const kinds = [
    { rule: v.vmArchive, kind: "qemu", server: "vm", ends: ["vma", "vma.gz", "vma.lzo", "vma.zst"] },
    {
      rule: v.containerArchive,
      kind: "lxc",
      server: "ct",
      ends: ["tar", "tar.gz", "tar.lzo", "tar.zst", "tar.bz2", "tgz"],
    },
  ] as const;
  for (const [index, { rule, kind, server, ends }] of kinds.entries()) {
    const other = kinds[1 - index] ?? assert.fail();
    const dump = (rest: string) => `local:backup/vzdump-${kind}-${rest}`;
    for (const one of [rule, v.archive]) {
      for (const end of ends) {
        passes(one, dump(`100-${DAY}.${end}`), dump(`999999999-${DAY}.${end}`));
        refuses(
          one,
          dump(`100-${DAY}.${end}.gz.gz`),
          dump(`100-${DAY}.${end}x`),
          dump(`100-${DAY}${end}`),
          dump(`100-${DAY}.x${end}`),
        );
        letters(one, (c) => dump(`100-${DAY}${c}${end}`), ".");
        if (end.includes(".")) letters(one, (c) => dump(`100-${DAY}.${end.replace(".", c)}`), ".");
      }
      const [end] = ends;
      passes(one, `pbs:backup/${server}/100/${MOMENT}`, `pbs:backup/${server}/999999999/${MOMENT}`);
      letters(one, (c) => dump(`${c}00-${DAY}.${end}`), DIGITS.replace("0", ""));
      letters(one, (c) => dump(`1${c}0-${DAY}.${end}`), DIGITS);
      letters(one, (c) => `pbs:backup/${server}/1${c}0/${MOMENT}`, DIGITS);
      letters(one, (c) => `${c}a:backup/${server}/100/${MOMENT}`, LETTERS);
      letters(one, (c) => `a${c}a:backup/${server}/100/${MOMENT}`, `${WORD}._-`);
      for (const owner of ["99", "1", "", "0100", "1000000000", "1x0", "-100"]) {
        refuses(one, dump(`${owner}-${DAY}.${end}`), `pbs:backup/${server}/${owner}/${MOMENT}`);
      }
      for (const [at, char] of [...DAY].entries()) {
        const put = (c: string) => dump(`100-${DAY.slice(0, at)}${c}${DAY.slice(at + 1)}.${end}`);
        letters(one, put, /\d/.test(char) ? DIGITS : char);
        refuses(one, put(""), put(`${char}${char}`));
      }
      for (const [at, char] of [...MOMENT].entries()) {
        const put = (c: string) => `pbs:backup/${server}/100/${MOMENT.slice(0, at)}${c}${MOMENT.slice(at + 1)}`;
        letters(one, put, /\d/.test(char) ? DIGITS : char);
        refuses(one, put(""), put(`${char}${char}`));
      }
      refuses(
        one,
        "-",
        "",
        dump(`100.${end}`),
        dump(`100-${DAY}.${end}`).replace("backup", "images"),
        dump(`100-${DAY}.${end}`).replace("backup/", "backup/x/"),
        dump(`100-${DAY}.${end}`).replace("local:", ""),
        `/var/lib/vz/dump/vzdump-${kind}-100-${DAY}.${end}`,
        `pbs:backup/host/100/${MOMENT}`,
        `pbs:backup/${server}/100`,
        `pbs:backup/${server}/100/${MOMENT}/x`,
        `x ${dump(`100-${DAY}.${end}`)}`,
        `vzdump-openvz-100-${DAY}.tgz`,
      );
    }
    for (const end of other.ends) {
      refuses(rule, `local:backup/vzdump-${other.kind}-100-${DAY}.${end}`, dump(`100-${DAY}.${end}`));
    }
    refuses(rule, `pbs:backup/${other.server}/100/${MOMENT}`);
    refuses(v.archive, dump(`100-${DAY}.${other.ends[0]}`));
  }
});

Deno.test("public keys", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA+/==";
  const sent = (...lines: readonly string[]) => `${lines.join("\n")}\n`;
  for (const type of ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"]) {
    passes(v.publicKeys, [`${type} AAAA`, sent(`${type} AAAA`)], [
      `${type} AAAA me@host ~ 1`,
      sent(`${type} AAAA me@host ~ 1`),
    ]);
  }
  passes(v.publicKeys, [`# mine\r\n\n ${""}\n${key}\r\n${key} b\n`, sent(key, `${key} b`)], [`${key}\n`, sent(key)], [
    `${key} `,
    sent(`${key} `),
  ]);
  const trial = (put: (char: string) => string, allowed: string) => {
    for (const char of EVERY) {
      if (char === "\n" || char === "\r") continue;
      if (allowed.includes(char)) passes(v.publicKeys, [put(char), sent(put(char))]);
      else refuses(v.publicKeys, put(char));
    }
  };
  const printable = EVERY.filter((char) => char >= " " && char <= "~").join("");
  trial((c) => `ssh-rsa A${c}A`, `${WORD}+/= `);
  trial((c) => `ssh-rsa AAAA c${c}d`, printable);
  trial((c) => `ecdsa-sha2-a${c}a AAAA`, `${LOWER}${DIGITS}- `);
  trial((c) => `sk-a${c}a AAAA`, `${LOWER}${DIGITS}@.- `);
  trial((c) => `ssh-rsa${c}AAAA`, " ");
  refuses(
    v.publicKeys,
    "",
    "\n",
    "# only",
    5,
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "ssh-rsa",
    "ssh-rsa ",
    "ssh-dss AAAA",
    `x ${key}`,
    `${key}\nrm -rf /`,
    `command="x" ${key}`,
    "ecdsa-sha2- AAAA",
    "sk- AAAA",
    "ssh-rsa AAAA\r\r\n",
    " ssh-rsa AAAA",
  );
  const longest = `ssh-rsa ${many(16_376, "A")}`;
  passes(v.publicKeys, [longest, sent(longest)]);
  refuses(v.publicKeys, `${longest}A`);
  assert.equal(
    v.encodedPublicKeys("ssh-rsa AAAA+/= it's (me)*!", "x"),
    "ssh-rsa%20AAAA%2B%2F%3D%20it%27s%20%28me%29%2A%21%0A",
  );
  assert.throws(
    () => v.publicKeys("-----BEGIN OPENSSH PRIVATE KEY-----", "x"),
    (error) => error instanceof Refusal && !error.message.includes("PRIVATE"),
  );
  assert.throws(
    () => v.publicKeys(`${many(16_385)}`, "x"),
    (error) => error instanceof Refusal && !error.message.includes("aaa"),
  );
});

Deno.test("users' names are those of Linux", () => {
  letters(v.userName, (c) => c, `${LOWER}_`);
  letters(v.userName, (c) => `a${c}`, `${LOWER}${DIGITS}_-`);
  lengths(v.userName, (n) => many(n), 1, 32);
});

Deno.test("time zones are host, or names of the zone database", () => {
  passes(v.timezone, "host", "UTC", "Z", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Etc/GMT-14");
  refuses(v.timezone, "", "/", "Europe/", "/Europe", "a//b", "a/b/c/d", "Europe/Vienna\n", "../etc", "UTC1", "hosts/");
  letters(v.timezone, (c) => `${c}bc`, LETTERS);
  letters(v.timezone, (c) => `a/${c}`, `${WORD}_+-`);
  letters(v.timezone, (c) => `a/${c}b`, `${WORD}_+-`);
});

Deno.test("types and states of tasks", () => {
  letters(v.taskType, (c) => c, `${WORD}_-`);
  letters(v.taskType, (c) => `a${c}`, `${WORD}_-`);
  lengths(v.taskType, (n) => many(n), 1, 64);
  const states = ["ok", "warning", "error", "unknown"];
  for (const state of states) {
    passes(v.taskStates, state, `ok,${state}`, states.join(","));
    refuses(v.taskStates, `${state},`, `,${state}`, `${state}x`, `x${state}`, `${state}, ok`, `${states.join(",")},ok`);
  }
  refuses(v.taskStates, "", ",", "OK", "failed", "ok;error", "ok,,error");
});

Deno.test("paths of the access list", () => {
  passes(v.aclPath, "/", "/vms/100", "/sdn/zones/localnetwork/vmbr0");
  refuses(v.aclPath, "//", "/vms/", "vms", "vms/100", "/vms//100", "/vms\n");
  letters(v.aclPath, (c) => `/${c}`, `${WORD}._-`);
  letters(v.aclPath, (c) => `/a${c}b`, `${WORD}._-/`);
  lengths(v.aclPath, (n) => "/a".repeat(Math.max(0, n)), 1, 8);
  passes(v.aclPath, `/${many(254)}`);
  refuses(v.aclPath, `/${many(255)}`);
});

Deno.test("content types are PVE's own", () => {
  passes(v.contentType, "images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import");
  refuses(v.contentType, "", "none", "images,iso", "Images");
});

Deno.test("names of snapshots are PVE's ids, without the names that PVE uses itself", () => {
  letters(v.snapshotName, (c) => `${c}a`, LETTERS);
  letters(v.snapshotName, (c) => `a${c}`, `${WORD}_-`);
  lengths(v.snapshotName, (n) => many(n), 2, 40);
  refuses(v.snapshotName, "current", "pending", "vzdump", "VZDump", "CURRENT");
  passes(v.snapshotName, "current1", "xpending", "vzdumps");
});

Deno.test("a backup's notes go over in one line, and read back as they were written", () => {
  lengths(v.backupNotes, (n) => many(n), 0, 500);
  passes(v.backupNotes, ["a\nb", "a\\nb"], ["a\\nb", "a\\\\nb"], ["\\\n", "\\\\\\n"], "{ {", "}}");
  refuses(v.backupNotes, "{{guestname}}", "a {{ b", "a\rb", "\u0000", true, 1);
  const back = (sent: string) => sent.replaceAll(/\\([n\\])/g, (_match, c) => c === "n" ? "\n" : c);
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
    try {
      const sent = v.backupNotes(text, "x");
      assert.ok(!sent.includes("\n"));
      assert.equal(back(sent), text);
    } catch (error) {
      assert.ok(error instanceof Refusal);
    }
  }));
});

Deno.test("an address that is fetched is https, and every reader of it sees the same host", () => {
  passes(
    v.downloadUrl,
    "https://cloud.debian.org/images/a-b_c.qcow2",
    "https://nas.lan:8443/x?a=b&c=%20",
    "https://a/",
    "https://my-host.lan/x",
    "https://a:8/x",
    "https://a:18443/x",
    "https://a/X._~!$()*+,;=:@%25/?&-",
  );
  assert.equal(v.hostIn("https://a:8/y/z"), "a:8");
  refuses(v.downloadUrl, "xhttps://a/x", "https://a:123456/x", "https://a:1:2/x", "https://a:/x", "https:///x");
  refuses(v.downloadUrl, 1, true, "", "https://a", "http://a/x", " https://a/x", "https://a/x\n", "HTTPS://a/x");
  refuses(
    v.downloadUrl,
    `https://a/${many(1991)}`,
    "https://a:443/x",
    "https://a/./x",
    "https://a//..//x",
    "https://a/'",
  );
  passes(v.downloadUrl, `https://a/${many(1990)}`);
  fc.assert(fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true, size: "xsmall" }), (url) => {
    const host = v.hostIn(url);
    if (host === undefined) return;
    const read = new URL(url);
    assert.equal(read.host, host);
    assert.equal(read.protocol, "https:");
    assert.equal(read.username + read.password + read.hash, "");
  }));
  for (const value of [undefined, 1, null, ["https://a/x"]]) assert.equal(v.hostIn(value), undefined);
});

Deno.test("an image's reference names its registry, and every reader of it sees the same one", () => {
  const put = (registry: string) => `${registry}/a:1`;
  passes(
    v.imageReference,
    "docker.io/library/debian:13",
    "registry.lan:5000/a/b/c-d__e.f:1.0_x-2",
    "nas:5000/a:latest",
    "a.b/a:_",
    "192.0.2.1:5000/a1:1",
    "a.io/a-1.2_3/b__4:1",
  );
  refuses(v.imageReference, 1, true, "", "a/b:1", "localhost/a:1", "docker.io/a", "docker.io/a:", "docker.io/:1");
  refuses(v.imageReference, " docker.io/a:1", "docker.io/a:1\n", "docker.io/a:1 ", "docker.io/a/:1", "docker.io//a:1");
  refuses(v.imageReference, "docker.io/a.-b:1", "docker.io/a___b:1", "docker.io/a..b:1", "docker.io/-a:1");
  refuses(v.imageReference, "a.b:/a:1", "a.b:123456/a:1", "a..b/a:1", "-a.b/a:1", "a-.b/a:1", "a.b-/a:1", "a.b./a:1");
  letters(v.imageReference, (c) => put(`a${c}b.io`), `${LOWER}${DIGITS}.-`);
  letters(v.imageReference, (c) => put(`${c}.io`), LOWER + DIGITS);
  letters(v.imageReference, (c) => put(`a.io:1${c}`), DIGITS);
  letters(v.imageReference, (c) => `a.io/b${c}b:1`, `${LOWER}${DIGITS}._-/`);
  letters(v.imageReference, (c) => `a.io/a:${c}`, `${WORD}_`);
  letters(v.imageReference, (c) => `a.io/a:a${c}`, `${WORD}_.-`);
  lengths(v.imageReference, (n) => `a.io/a:${many(n)}`, 1, 128);
  lengths(v.imageReference, (n) => put(`${many(n)}.io`), 1, 63);
  lengths(v.imageReference, (n) => put(`${many(n)}:1`), 1, 63);
  passes(v.imageReference, "a.io/a--b---c:1", `a.io/${many(393)}:1`);
  refuses(v.imageReference, `a.io/${many(394)}:1`);
  assert.equal(v.registryIn("docker.io/library/debian:13"), "docker.io");
  assert.equal(v.registryIn("nas:5000/a/b.c:1"), "nas:5000");
  for (const value of [undefined, 1, null, ["a.io/a:1"], "https://a.io/a:1"]) {
    assert.equal(v.registryIn(value), undefined);
  }
  // No address is a reference, and no reference an address: each is judged by its own host.
  fc.assert(fc.property(fc.webUrl(), (url) => assert.equal(v.registryIn(url), undefined)));
  const part = fc.stringMatching(/^[a-z0-9.:@/_-]{0,30}$/);
  fc.assert(fc.property(part, part, (a, b) => {
    const registry = v.registryIn(`${a}/${b}:1`);
    assert.equal(v.hostIn(`${a}/${b}:1`), undefined);
    // As Docker reads it: the first part is a host where it has a dot or a port.
    if (registry !== undefined) assert.ok(registry === `${a}/${b}:1`.split("/")[0] && /[.:]/.test(registry));
  }));
  letters(v.imageFileName, (c) => c, WORD);
  letters(v.imageFileName, (c) => `a${c}a`, `${WORD}._-`);
  letters(v.imageFileName, (c) => `a${c}`, WORD);
  lengths(v.imageFileName, (n) => many(n), 1, 192);
});

Deno.test("a new VM's disk may be a copy of a downloaded image, and of nothing else", () => {
  const from = (image: string) => `ab:0,import-from=${image}`;
  passes(
    v.firstDriveSlot,
    from("local:import/debian-13.qcow2"),
    "local-lvm:0,import-from=nas:import/a.raw,discard=on,iothread=1,ssd=1,cache=none,format=qcow2,aio=native",
    "local-lvm:0,discard=on,import-from=nas:import/a.vmdk",
    // What another slot takes, too.
    "ab:8",
    "ab:cloudinit",
    "none,media=cdrom",
    "ab:iso/a.iso,media=cdrom",
  );
  letters(v.firstDriveSlot, (c) => from(`ab:import/${c}.raw`), WORD);
  letters(v.firstDriveSlot, (c) => from(`ab:import/a${c}.raw`), `${WORD}._+=-`);
  letters(v.firstDriveSlot, (c) => from(`${c}b:import/a.raw`), LETTERS);
  letters(v.firstDriveSlot, (c) => from(`ab:import/a${c}raw`), ".");
  letters(v.firstDriveSlot, (c) => `ab:${c},import-from=ab:import/a.raw`, "0");
  lengths(v.firstDriveSlot, (n) => from(`ab:import/${many(n)}.raw`), 1, 201);
  refuses(v.firstDriveSlot, "ssd=1,import-from=ab:import/a.raw", "discard=on,import-from=ab:import/a.raw");
  refuses(
    v.firstDriveSlot,
    from("/var/lib/vz/import/a.raw"),
    from("ab:iso/a.raw"),
    from("ab:100/vm-100-disk-0.raw"),
    from("ab:vm-100-disk-0"),
    from("ab:import/a.ova"),
    from("ab:import/a.img"),
    from("ab:import/a.raw.sh"),
    from("ab:import/a/b.raw"),
    from("ab:import/a.raw,import-from=ab:import/b.raw"),
    from("ab:import/a.raw,file=ab:vm-100-disk-0"),
    from("ab:import/a.raw,media=cdrom"),
    from("ab:import/a.raw,backup=0"),
    from("ab:import/a.raw,snapshot=1"),
    from(""),
    "ab:0",
    "ab:00,import-from=ab:import/a.raw",
    "ab:0.0,import-from=ab:import/a.raw",
    "ab:8,import-from=ab:import/a.raw",
    "ab:vm-100-disk-0,import-from=ab:import/a.raw",
    "import-from=ab:import/a.raw",
    "none,import-from=ab:import/a.raw",
    8,
    true,
  );
  // Only there.
  refuses(v.driveSlot, from("ab:import/a.raw"));
  refuses(v.newDisk, from("ab:import/a.raw"));
});

Deno.test("names of files are PVE's, with an ending that it knows", () => {
  letters(v.downloadName, (c) => `${c}.iso`, WORD);
  letters(v.downloadName, (c) => `a${c}.iso`, `${WORD}._-`);
  lengths(v.downloadName, (n) => `${many(n - 4)}.iso`, 5, 205);
  for (const end of "iso img tar.gz tar.xz tar.zst tar.bz2 qcow2 raw vmdk ova".split(" ")) {
    passes(v.downloadName, `a.${end}`);
  }
  refuses(v.downloadName, "a.sh", "a.tar", "a.iso.sh", "aiso", ".iso", "a.ISO", "a.iso ", "a/b.iso", "a.tgz");
  letters(v.applianceName, (c) => `${c}.tar.gz`, WORD);
  letters(v.applianceName, (c) => `a${c}.tar.gz`, `${WORD}._+-`);
  lengths(v.applianceName, (n) => `${many(n - 7)}.tar.gz`, 8, 208);
  for (const end of "gz xz zst bz2".split(" ")) passes(v.applianceName, `a.tar.${end}`);
  refuses(v.applianceName, "a.iso", "a.tar", "a.tar.gz.sh", "a.tarxgz");
  for (const n of [64, 96, 128]) passes(v.checksum, many(n), many(n, "0"));
  for (const n of [0, 63, 65, 95, 97, 127, 129]) refuses(v.checksum, many(n));
  letters(v.checksum, (c) => many(63) + c, "0123456789abcdef");
  for (const n of [96, 128]) letters(v.checksum, (c) => c + many(n - 1), "0123456789abcdef");
});

Deno.test("a disk grows by whole MiB, and is named by a slot there can be", () => {
  passes(v.growth, "+1M", "+1024M", "+99999999M");
  refuses(v.growth, "+0M", "+01M", "1M", "-1M", "+1", "+1G", "+1.5M", "++1M", "+100000000M", "+M", 1024, "+1M ");
  letters(v.growth, (c) => `+1${c}M`, DIGITS);
  passes(
    v.vmDisk,
    "scsi0",
    "scsi9",
    "scsi10",
    "scsi29",
    "scsi30",
    "virtio0",
    "virtio15",
    "sata0",
    "sata5",
    "ide0",
    "ide3",
  );
  refuses(
    v.vmDisk,
    "scsi31",
    "scsi01",
    "virtio16",
    "sata6",
    "ide4",
    "efidisk0",
    "tpmstate0",
    "unused0",
    "rootfs",
    "scsi",
    "xscsi0",
  );
  passes(v.containerDisk, "rootfs", "mp0", "mp9", "mp10", "mp99", "mp100", "mp199", "mp200", "mp249", "mp250", "mp255");
  refuses(v.containerDisk, "mp256", "mp260", "mp300", "mp01", "mp", "unused0", "scsi0", "rootfs0", "mp1000");
  for (
    const [rule, name, last] of [[v.containerDisk, "mp", 255], [v.vmDisk, "scsi", 30], [
      v.vmDisk,
      "virtio",
      15,
    ]] as const
  ) {
    for (let n = 0; n <= 1100; n++) (n <= last ? passes : refuses)(rule, `${name}${n}`);
    letters(rule, (c) => `${name}${c}`, DIGITS);
    letters(rule, (c) => `${name}1${c}`, last === 15 ? "012345" : DIGITS);
  }
  letters(v.vmDisk, (c) => `scsi2${c}`, DIGITS);
  letters(v.vmDisk, (c) => `scsi3${c}`, "0");
  letters(v.vmDisk, (c) => `sata${c}`, "012345");
  letters(v.vmDisk, (c) => `ide${c}`, "0123");
  letters(v.containerDisk, (c) => `mp1${c}0`, DIGITS);
  letters(v.containerDisk, (c) => `mp10${c}`, DIGITS);
  letters(v.containerDisk, (c) => `mp2${c}0`, "012345");
  letters(v.containerDisk, (c) => `mp20${c}`, DIGITS);
  letters(v.containerDisk, (c) => `mp25${c}`, "012345");
});

Deno.test("moments in a node's own time, and names of its services", () => {
  passes(v.localMoment, "2026-11-22", "2026-11-22 12:00", "2026-11-22 12:00:59");
  const moment = "2026-11-22 12:34:56";
  for (const [at, char] of [...moment].entries()) {
    const put = (c: string) => moment.slice(0, at) + c + moment.slice(at + 1);
    letters(v.localMoment, put, /\d/.test(char) ? DIGITS : char);
  }
  for (const text of [moment, moment.slice(0, 16), moment.slice(0, 10)]) {
    refuses(
      v.localMoment,
      `2026-11-22 12:00 ${text.slice(-5)}`,
      `${text}0`,
      `0${text}`,
      `${text}:00:00`,
      `${text} 1:00`,
      text.slice(0, -1),
    );
  }
  for (const part of [1, 6, 9, 12, 15, 18]) refuses(v.localMoment, moment.slice(0, part) + moment.slice(part + 1));
  for (const part of [1, 6, 9, 12, 15]) refuses(v.localMoment, `${moment.slice(0, part)}0${moment.slice(part)}`);
  letters(v.serviceName, (c) => c, WORD);
  letters(v.serviceName, (c) => `a${c}`, `${WORD}@_.-`);
  lengths(v.serviceName, (n) => many(n), 1, 64);
});

/** What each rule for disks, drives, networks and other devices lets through, and nothing beside it. */
import * as d from "../../src/safety/devices.ts";
import { DIGITS, lengths, LETTERS, letters, LOWER, many, passes, refuses, WORD } from "../helpers/rules.ts";

Deno.test("a new volume is STORAGE:GIB and nothing else", () => {
  letters(d.newVolume, (c) => `local-lvm:${c}`, "123456789");
  letters(d.newVolume, (c) => `local-lvm:1${c}`, DIGITS);
  letters(d.newVolume, (c) => `local-lvm:1${c}5`, `${DIGITS}.`);
  letters(d.newVolume, (c) => `local-lvm:${c}.5`, DIGITS);
  letters(d.newVolume, (c) => `local-lvm:0.1${c}`, DIGITS);
  letters(d.newVolume, (c) => `local-lvm:0.${c}`, "123456789");
  letters(d.newVolume, (c) => `local${c}8`, ":");
  letters(d.newVolume, (c) => `${c}a:8`, LETTERS);
  letters(d.newVolume, (c) => `a${c}:8`, WORD);
  letters(d.newVolume, (c) => `a${c}a:8`, `${WORD}._-`);
  lengths(d.newVolume, (n) => `${many(n)}:8`, 2, 100);
  lengths(d.newVolume, (n) => `ab:${many(n, "1")}`, 1, 6);
  lengths(d.newVolume, (n) => `ab:${many(n, "1")}.5`, 1, 6);
  lengths(d.newVolume, (n) => `ab:0.${many(n, "1")}`, 1, 3);
  lengths(d.newVolume, (n) => `ab:1.${many(n, "1")}`, 1, 3);
  refuses(
    d.newVolume,
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
  passes(d.newDisk, "ab:8", "ab:8,iothread=1,ssd=0");
  for (const cache of ["none", "writethrough", "writeback", "directsync"]) passes(d.newDisk, `ab:8,cache=${cache}`);
  for (const discard of ["on", "ignore"]) passes(d.newDisk, `ab:8,discard=${discard}`);
  for (const format of ["raw", "qcow2", "vmdk"]) passes(d.newDisk, `ab:8,format=${format}`);
  for (const aio of ["native", "threads", "io_uring"]) passes(d.newDisk, `ab:8,aio=${aio}`);
  for (const key of ["cache", "discard", "iothread", "ssd", "format", "aio"]) {
    refuses(d.newDisk, `ab:8,${key}=`, `ab:8,${key}=x`, `ab:8,${key}`);
  }
  refuses(
    d.newDisk,
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
    d.driveSlot,
    "ab:8",
    "ab:8,ssd=1",
    "none,media=cdrom",
    "ab:cloudinit",
    iso("a.iso"),
    iso("a.img"),
    iso("a.ISO"),
    iso("a.IMG"),
  );
  letters(d.driveSlot, (c) => iso(`${c}.iso`), WORD);
  letters(d.driveSlot, (c) => iso(`a${c}.iso`), `${WORD}._+@ ()-`);
  lengths(d.driveSlot, (n) => iso(`${many(n)}.iso`), 1, 201);
  letters(d.driveSlot, (c) => iso(`a${c}iso`), ".");
  letters(d.driveSlot, (c) => `${c}a:iso/a.iso,media=cdrom`, LETTERS);
  letters(d.driveSlot, (c) => `${c}a:cloudinit`, LETTERS);
  refuses(
    d.driveSlot,
    "media=cdrom",
    "none",
    "local:iso/a.iso",
    "local:iso/a.iso,media=disk",
    "ab:8,media=cdrom",
    "none,media=cdrom,ssd=1",
  );
  refuses(
    d.driveSlot,
    "none,media=cdrom,media=cdrom",
    "local:iso/../a.iso,media=cdrom",
    "local:iso/a/b.iso,media=cdrom",
    "local:import/a.iso,media=cdrom",
  );
  refuses(
    d.driveSlot,
    "local:iso/a.qcow2,media=cdrom",
    "local:iso/.iso,media=cdrom",
    "/a.iso,media=cdrom",
    "xnone,media=cdrom",
    "nonex,media=cdrom",
  );
  refuses(
    d.driveSlot,
    "ab:cloudinit,media=cdrom",
    "ab:cloudinit,ssd=1",
    ":cloudinit",
    "cloudinit",
    "ab:8:cloudinit",
    "ab:vm-100-cloudinit",
    "ab:cloudinitx",
  );
  refuses(d.driveSlot, "xmedia=cdrom", 8, true);
});

Deno.test("EFI disks and TPM states are new volumes", () => {
  passes(
    d.efiDisk,
    "ab:1,efitype=4m,pre-enrolled-keys=1",
    "ab:1,efitype=2m",
    ...["raw", "qcow2", "vmdk"].map((f) => `ab:1,format=${f}`),
  );
  refuses(
    d.efiDisk,
    "ab:vm-100-disk-0",
    "efitype=4m",
    "ab:1,efitype=8m",
    "ab:1,pre-enrolled-keys=x",
    "ab:1,size=4M",
    "ab:1,import-from=ab:2",
    "ab:1,format=x",
  );
  passes(d.tpmState, "ab:1,version=v1.2", "ab:1,version=v2.0", "ab:1");
  refuses(d.tpmState, "ab:vm-100-disk-0", "version=v2.0", "ab:1,version=v3.0", "ab:1,size=4M");
});

Deno.test("root file systems and mount points are new volumes, and mount points are backed up", () => {
  passes(d.rootFilesystem, "ab:8", "ab:0.5");
  refuses(
    d.rootFilesystem,
    "",
    "ab:8,acl=1",
    "volume=ab:8",
    "/srv",
    "ab:subvol-100-disk-0",
    "ab:8,mountoptions=nodev",
    "ab:8,quota=1",
  );
  passes(d.mountPoint, ["ab:8,mp=/srv", "ab:8,mp=/srv,backup=1"], "ab:8,mp=/srv,backup=1", [
    "ab:8,ro=1,acl=0,mp=/a/b",
    "ab:8,ro=1,acl=0,mp=/a/b,backup=1",
  ]);
  letters(d.mountPoint, (c) => `ab:8,backup=1,mp=/${c}`, `${WORD}_`);
  letters(d.mountPoint, (c) => `ab:8,backup=1,mp=/a${c}b`, `${WORD}_.-/`);
  letters(d.mountPoint, (c) => `ab:8,backup=1,mp=/a/b${c}c`, `${WORD}_.-/`);
  refuses(
    d.mountPoint,
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
    d.mountPoint,
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
    passes(d.vmNetwork, model, [`${model}=${mac},bridge=vmbr0`, `${model},macaddr=${mac},bridge=vmbr0`], [
      `${model}=${mac}`,
      `${model},macaddr=${mac}`,
    ]);
  }
  passes(
    d.vmNetwork,
    `virtio,macaddr=${mac},bridge=vmbr0,tag=1,firewall=1,rate=0.5,mtu=1,queues=0,link_down=1`,
    "virtio,tag=4094,rate=100000,mtu=65520,queues=64",
    "virtio,rate=0",
  );
  letters(d.vmNetwork, (c) => `virtio,trunks=${c}`, DIGITS);
  letters(d.vmNetwork, (c) => `virtio,trunks=1${c}2`, `${DIGITS}-;`);
  letters(d.vmNetwork, (c) => `virtio,trunks=1-${c}`, DIGITS);
  letters(d.vmNetwork, (c) => `virtio,trunks=1;${c}`, DIGITS);
  letters(d.vmNetwork, (c) => `virtio,trunks=1;2${c}3`, `${DIGITS}-;`);
  letters(d.vmNetwork, (c) => `virtio,trunks=1;2-${c}`, DIGITS);
  for (const lead of ["", "1-", "1;", "1;2-"]) {
    lengths(
      d.vmNetwork,
      (n) => `virtio,trunks=${lead}${many(n, "1")}`,
      1,
      4,
    );
  }
  passes(d.vmNetwork, "virtio,trunks=1;2;3", "virtio,trunks=1-2;3-4;5-6");
  refuses(d.vmNetwork, "virtio,trunks=1-2-3", "virtio,trunks=1;2-3-4");
  refuses(
    d.vmNetwork,
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
    d.vmNetwork,
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
    d.vmNetwork,
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
    d.containerNetwork,
    `name=eth0,bridge=vmbr0,hwaddr=${mac},ip=dhcp,ip6=auto,tag=1,firewall=1,rate=0,mtu=64,link_down=0,type=veth`,
    "name=eth0,tag=4094,rate=100000,mtu=65535",
  );
  passes(
    d.containerNetwork,
    "name=eth0,ip=192.0.2.10/24,gw=192.0.2.1,ip6=2001:db8::2/64,gw6=2001:db8::1",
    "name=eth0,ip=manual,ip6=manual",
    "name=eth0,ip6=dhcp",
  );
  letters(d.containerNetwork, (c) => `name=${c}`, LETTERS);
  letters(d.containerNetwork, (c) => `name=a${c}`, `${WORD}_.-`);
  lengths(d.containerNetwork, (n) => `name=${many(n)}`, 1, 15);
  letters(d.containerNetwork, (c) => `name=a,trunks=${c}`, DIGITS);
  letters(d.containerNetwork, (c) => `name=a,trunks=1;${c}`, DIGITS);
  letters(d.containerNetwork, (c) => `name=a,trunks=1${c}2`, `${DIGITS};`);
  for (const lead of ["", "1;"]) lengths(d.containerNetwork, (n) => `name=a,trunks=${lead}${many(n, "1")}`, 1, 4);
  passes(d.containerNetwork, "name=a,trunks=1;2;3");
  refuses(
    d.containerNetwork,
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
    d.containerNetwork,
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
    d.ipConfig,
    "ip=dhcp",
    "ip=manual",
    "ip=192.0.2.10/24,gw=192.0.2.1",
    "ip6=auto",
    "ip6=dhcp",
    "ip6=manual",
    "ip6=2001:db8::2/64,gw6=2001:db8::1",
  );
  letters(d.ipConfig, (c) => `ip=${c}.0.2.1/8`, DIGITS);
  letters(d.ipConfig, (c) => `ip=1.0.2.${c}/8`, DIGITS);
  letters(d.ipConfig, (c) => `ip=192${c}0.2.1/8`, ".");
  letters(d.ipConfig, (c) => `ip=192.0.2.1/${c}`, DIGITS);
  letters(d.ipConfig, (c) => `ip=192.0.2.1${c}8`, "/");
  lengths(d.ipConfig, (n) => `ip=192.0.2.1/${many(n, "8")}`, 1, 2);
  lengths(d.ipConfig, (n) => `ip=${many(n, "1")}.0.2.1/24`, 1, 3);
  lengths(d.ipConfig, (n) => `ip=1.0.2.${many(n, "1")}/24`, 1, 3);
  letters(d.ipConfig, (c) => `ip6=:${c}/8`, `${DIGITS}abcdefABCDEF:.`);
  letters(d.ipConfig, (c) => `ip6=::1/${c}`, DIGITS);
  lengths(d.ipConfig, (n) => `ip6=${many(n)}/64`, 2, 45);
  lengths(d.ipConfig, (n) => `ip6=::1/${many(n, "1")}`, 1, 3);
  letters(d.ipConfig, (c) => `gw6=:${c}`, `${DIGITS}abcdefABCDEF:.`);
  lengths(d.ipConfig, (n) => `gw6=${many(n)}`, 2, 45);
  passes(d.ipConfig, "gw=192.0.2.1", "gw=::1");
  refuses(
    d.ipConfig,
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
  refuses(d.ipConfig, "ip=x", "ip6=x", "gw=x", "gw6=x", "ip6=", "gw=", "gw6=");
});

Deno.test("features of containers", () => {
  passes(d.containerFeatures, "nesting=1", "keyctl=0,fuse=1", "nesting=1,keyctl=1,fuse=0");
  refuses(d.containerFeatures, "mount=nfs", "mknod=1", "force_rw_sys=1", "nesting=2", "keyctl=x", "fuse=", "", "1");
});

Deno.test("agent, CPU, display", () => {
  passes(
    d.guestAgent,
    "1",
    "0",
    [true, "1"],
    [false, "0"],
    [1, "1"],
    "1,fstrim_cloned_disks=1,freeze-fs-on-backup=0,type=virtio",
    "1,type=isa",
  );
  refuses(
    d.guestAgent,
    "2",
    "enabled=1",
    "type=isa",
    "1,type=x",
    "1,fstrim_cloned_disks=x",
    "1,freeze-fs-on-backup=x",
    "1,x=1",
  );
  letters(d.cpuType, (c) => c, WORD);
  letters(d.cpuType, (c) => `a${c}`, `${WORD}_.-`);
  lengths(d.cpuType, (n) => many(n), 1, 64);
  letters(d.cpuType, (c) => `host,flags=${c}aes`, "+-");
  letters(d.cpuType, (c) => `host,flags=+${c}`, `${LOWER}${DIGITS}_.-`);
  letters(d.cpuType, (c) => `host,flags=+a${c}`, `${LOWER}${DIGITS}_.-`);
  letters(d.cpuType, (c) => `host,flags=+a;${c}b`, "+-");
  letters(d.cpuType, (c) => `host,flags=+a;-${c}`, `${LOWER}${DIGITS}_.-`);
  letters(d.cpuType, (c) => `host,flags=+a${c}-b`, `${LOWER}${DIGITS}_.-;`);
  passes(d.cpuType, "host,flags=+aes;-pcid;+x2");
  refuses(
    d.cpuType,
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
  for (const type of ["std", "virtio", "virtio-gl", "qxl", "vmware", "cirrus", "none"]) passes(d.display, type);
  passes(d.display, "std,memory=4", "std,memory=512");
  refuses(d.display, "serial0", "std,memory=3", "std,memory=513", "memory=16", "std,clipboard=vnc", "type=std");
});

Deno.test("boot orders", () => {
  for (const device of ["scsi", "virtio", "sata", "ide", "net"]) {
    passes(d.bootOrder, `order=${device}0`, `order=net0;${device}12;net1`);
  }
  letters(d.bootOrder, (c) => `order=scsi${c}`, DIGITS);
  letters(d.bootOrder, (c) => `order=net0;scsi${c}`, DIGITS);
  letters(d.bootOrder, (c) => `order=net0${c}net1`, ";");
  lengths(d.bootOrder, (n) => `order=scsi${many(n, "1")}`, 1, 2);
  lengths(d.bootOrder, (n) => `order=net0;scsi${many(n, "1")}`, 1, 2);
  refuses(
    d.bootOrder,
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
    passes(d.machineType, `${kind}-9.2`, `${kind}-10.0.1`, `${kind}-9.2+pve1`, `${kind}-9.2+pve12`, `${kind}-10.12.13`);
    letters(d.machineType, (c) => `${kind}-${c}.2`, DIGITS);
    letters(d.machineType, (c) => `${kind}-9.${c}`, DIGITS);
    letters(d.machineType, (c) => `${kind}-9${c}2`, ".");
    letters(d.machineType, (c) => `${kind}-9.2+pve${c}`, DIGITS);
    letters(d.machineType, (c) => `${kind}-9.2${c}pve1`, "+");
    refuses(
      d.machineType,
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
  passes(d.machineType, "pc", "q35", "virt");
  refuses(d.machineType, "", "xpc", "pcx", "q35,viommu=intel", "type=q35", "q", "microvm");
});

Deno.test("a new VM's disk may be a copy of a downloaded image, and of nothing else", () => {
  const from = (image: string) => `ab:0,import-from=${image}`;
  passes(
    d.firstDriveSlot,
    from("local:import/debian-13.qcow2"),
    "local-lvm:0,import-from=nas:import/a.raw,discard=on,iothread=1,ssd=1,cache=none,format=qcow2,aio=native",
    "local-lvm:0,discard=on,import-from=nas:import/a.vmdk",
    // What another slot takes, too.
    "ab:8",
    "ab:cloudinit",
    "none,media=cdrom",
    "ab:iso/a.iso,media=cdrom",
  );
  letters(d.firstDriveSlot, (c) => from(`ab:import/${c}.raw`), WORD);
  letters(d.firstDriveSlot, (c) => from(`ab:import/a${c}.raw`), `${WORD}._+=-`);
  letters(d.firstDriveSlot, (c) => from(`${c}b:import/a.raw`), LETTERS);
  letters(d.firstDriveSlot, (c) => from(`ab:import/a${c}raw`), ".");
  letters(d.firstDriveSlot, (c) => `ab:${c},import-from=ab:import/a.raw`, "0");
  lengths(d.firstDriveSlot, (n) => from(`ab:import/${many(n)}.raw`), 1, 201);
  refuses(d.firstDriveSlot, "ssd=1,import-from=ab:import/a.raw", "discard=on,import-from=ab:import/a.raw");
  refuses(
    d.firstDriveSlot,
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
  refuses(d.driveSlot, from("ab:import/a.raw"));
  refuses(d.newDisk, from("ab:import/a.raw"));
});

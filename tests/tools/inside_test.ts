/** What guests and PVE tell, read by property: addresses, settings, trees of snapshots; guests can answer anything. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { devicesIn, interfacesIn } from "../../src/tools/inside.ts";
import { treeOf } from "../../src/tools/snapshot_list.ts";

Deno.test("interfacesIn() takes whatever an agent answers", () => {
  const field = fc.constantFrom(
    "name",
    "inet",
    "inet6",
    "hwaddr",
    "hardware-address",
    "ip-addresses",
    "ip-address",
    "prefix",
  );
  const plain = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.anything({ maxDepth: 1 }));
  const address = fc.dictionary(field, plain, { maxKeys: 4 });
  const row = fc.dictionary(field, fc.oneof(plain, fc.array(address, { maxLength: 3 })), { maxKeys: 8 });
  fc.assert(fc.property(fc.oneof(fc.anything(), fc.array(row)), (answer) => {
    for (const { interface: name, mac, addresses } of interfacesIn(answer)) {
      assert.equal(typeof name, "string");
      assert.notEqual(name, "lo");
      assert.ok(mac === undefined || mac !== "");
      for (const address of addresses) assert.ok(typeof address === "string" && address !== "");
    }
  }));
});

Deno.test("interfacesIn() reads both forms of PVE's, IPv4 first and what is valid on the link last", () => {
  const addresses = (row: Record<string, unknown>) => interfacesIn([{ name: "eth0", ...row }])[0]?.addresses;
  assert.deepEqual(addresses({ inet: "192.0.2.5/24", inet6: "2001:db8::5/64" }), ["192.0.2.5/24", "2001:db8::5/64"]);
  const ip = (address: string) => ({ "ip-address": address, prefix: 24 });
  assert.deepEqual(addresses({ "ip-addresses": [ip("fe80::1"), ip("2001:db8::5"), ip("192.0.2.5")] }), [
    "192.0.2.5/24",
    "2001:db8::5/24",
    "fe80::1/24",
  ]);
  // Windows calls it by a long name.
  assert.deepEqual(
    interfacesIn([{ name: "Loopback Pseudo-Interface 1", "ip-addresses": [ip("127.0.0.1"), ip("::1")] }]),
    [],
  );
  assert.deepEqual(addresses({}), []);
});

Deno.test("devicesIn() tells every network device, and no other setting", () => {
  const address = fc.constantFrom("192.0.2.9/24", "dhcp", "2001:db8::9/64", "auto", "manual");
  fc.assert(fc.property(fc.uniqueArray(fc.nat(31)), address, (slots, ip) => {
    const config = Object.fromEntries(slots.flatMap((slot) => [
      [`net${slot}`, `virtio=BC:24:11:00:00:0${slot % 10},bridge=vmbr0,gw=192.0.2.1`],
      [`ipconfig${slot}`, `gw=192.0.2.1,ip=${ip}`],
      [`netmask${slot}`, "ip=198.51.100.1"],
    ]));
    const devices = devicesIn(config);
    assert.deepEqual(devices.map((one) => one.interface), slots.toSorted((a, b) => a - b).map((slot) => `net${slot}`));
    for (const { mac, addresses } of devices) {
      assert.match(mac ?? "", /^bc:24:11:00:00:0\d$/);
      assert.deepEqual(addresses, [ip]);
    }
  }));
  const container = devicesIn({ net0: "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=192.0.2.7/24,ip6=auto" });
  assert.deepEqual(container, [{ interface: "eth0", mac: "bc:24:11:00:00:01", addresses: ["192.0.2.7/24", "auto"] }]);
});

Deno.test("treeOf() holds every snapshot once, each after its parent where that is there, whatever the parents are", () => {
  const names = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const row = fc.record({
    name: names,
    parent: fc.option(names, { nil: undefined }),
    snaptime: fc.option(fc.nat(100), { nil: undefined }),
  });
  fc.assert(fc.property(fc.uniqueArray(row, { selector: ({ name }) => name }), (rows) => {
    const tree = treeOf(rows);
    assert.deepEqual(new Set(tree), new Set(rows));
    assert.equal(tree.length, rows.length);
    const inRing = (name: string | undefined) => {
      const seen = new Set<string>();
      for (let at = name; at !== undefined; at = rows.find((one) => one.name === at)?.parent) {
        if (seen.has(at)) return true;
        seen.add(at);
      }
      return false;
    };
    for (const [index, { name, parent }] of tree.entries()) {
      const above = tree.findIndex((one) => one.name === parent);
      if (above >= 0 && !inRing(name)) assert.ok(above < index, `${name} stands before ${parent}`);
    }
  }));
  const chain = Array.from(
    { length: 20_000 },
    (_, index) => ({ name: `s${index}`, parent: `s${index - 1}`, snaptime: 1 }),
  );
  assert.equal(treeOf(chain).length, chain.length);
});

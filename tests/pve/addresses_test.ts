/** IP addresses in their one normal form, so that two ways to write one compare as equal. */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { canonicalAddress } from "../../src/pve/addresses.ts";

Deno.test("every way to write an address has one normal form", () => {
  const ways: readonly (readonly [string, string | undefined])[] = [
    ["192.0.2.10", "192.0.2.10"],
    [" 192.0.2.10/24 ", "192.0.2.10"],
    ["192.000.002.010", "192.0.2.10"],
    ["2001:DB8::10", "2001:db8::10"],
    ["2001:0db8:0000:0000:0000:0000:0000:0010/64", "2001:db8::10"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:192.0.2.10", "::ffff:c000:20a"],
    ["256.0.0.1", undefined],
    ["192.0.2", undefined],
    ["1.2.3.4.5", undefined],
    ["web:01", undefined],
    ["dhcp", undefined],
    ["102", undefined],
    [":::", undefined],
    ["", undefined],
    ["::1]/x@evil[", undefined],
  ];
  for (const [text, address] of ways) assert.equal(canonicalAddress(text), address, text);
});

Deno.test("the normal form is an address, and its own normal form", () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
    const address = canonicalAddress(text);
    assert.ok(address !== undefined && isIP(address) === isIP(text), text);
    assert.equal(canonicalAddress(address), address);
    assert.equal(canonicalAddress(`${text.toUpperCase()}/32`), address);
  }));
  fc.assert(fc.property(fc.string(), (text) => {
    const address = canonicalAddress(text);
    assert.ok(address === undefined || isIP(address) > 0, text);
  }));
});

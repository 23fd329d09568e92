/** Hosts and ports: only names and addresses get through. */
import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { parseHost } from "../../src/config/host.ts";
import { UsageError } from "../../src/errors.ts";

function accepted(value: string) {
  try {
    return parseHost(value);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

Deno.test("parseHost reads names, addresses, ports and pasted URLs", () => {
  const cases: Record<string, [string, number | undefined]> = {
    "pve.lan": ["pve.lan", undefined],
    "PVE": ["pve", undefined],
    "pve.lan:443": ["pve.lan", 443],
    "192.0.2.10": ["192.0.2.10", undefined],
    "192.0.2.10:8006": ["192.0.2.10", 8006],
    "[2001:DB8::10]": ["2001:db8::10", undefined],
    "[2001:db8::10]:8006": ["2001:db8::10", 8006],
    "https://pve.lan": ["pve.lan", undefined],
    "HTTPS://pve.lan:8006/#v1:0:=node%2Fpve": ["pve.lan", 8006],
    "https://[2001:db8::10]:8006/?x=1": ["2001:db8::10", 8006],
  };
  for (const [value, [host, port]] of Object.entries(cases)) assert.deepEqual(parseHost(value), { host, port }, value);
});

Deno.test("parseHost refuses what would be another host, several hosts, or none", () => {
  const refused = [
    ..."|10.0.0.0/8|*.lan|*|a,b|a b|a/b|pve.lan/|pve.lan:|:8006|pve.lan:0|pve.lan:65536|pve.lan:8006:1|a..b|.a|a."
      .split("|"),
    ..."-a|a-|a_b|pve.lan:+1|pve.lan:8e3|[::1|::1]|[pve.lan]|[192.0.2.1]|[fe80::1%eth0]|1.2.3|127.1|0x7f000001|a.0x1"
      .split("|"),
    ..."256.0.0.1|1.2.3.4.5|01.2.3.4|https://|https:///x|ftp://a|pve.lan\n|a\\b|pvé.lan|[]|a?b|a#b|a%2eb".split("|"),
    "a".repeat(64),
    "a.".repeat(127) + "ab",
  ];
  for (const value of refused) assert.equal(accepted(value), undefined, value);
});

Deno.test("parseHost refuses plain http with a remedy", () => {
  assert.throws(() => parseHost("http://pve.lan:8006/"), {
    name: "UsageError",
    message: /https only/,
    remedy: /https:\/\/pve\.lan/,
  });
});

Deno.test("parseHost tells how to write an IPv6 address without brackets", () => {
  assert.throws(() => parseHost("2001:db8::10"), { message: /without brackets/, remedy: /\[2001:db8::10\]:8006/ });
});

Deno.test("parseHost does not show what stands in front of an @", () => {
  assert.throws(() => parseHost("https://root:hunter2@pve.lan"), (error) => !String(error).includes("hunter2"));
});

const pieces = fc.constantFrom(
  ..."abz019.-:[]/@,* %_#?\\\n\0é".split(""),
  "https://",
  "http://",
  "pve",
  "::1",
  "10.0.0.1",
  ":8006",
  "0x",
);

Deno.test("parseHost never accepts a host outside of the characters of names and addresses", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join(""))),
      (value) => {
        const parsed = accepted(value);
        if (parsed === undefined) return;
        assert.match(parsed.host, /^(?:[a-z0-9.-]+|[0-9a-f:.]+)$/);
        assert.ok(
          parsed.port === undefined || (Number.isInteger(parsed.port) && parsed.port >= 1 && parsed.port <= 65535),
        );
        // The URL that will be requested names the same host: no other reading of it exists.
        const text = parsed.host.includes(":") ? `[${parsed.host}]` : parsed.host;
        assert.equal(new URL(`https://${text}:8006/`).hostname, new URL(`https://${text}`).hostname);
        if (!text.startsWith("[")) assert.equal(new URL(`https://${text}`).hostname, text);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("parseHost gives back every name, address and port it is given", () => {
  const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  const host = fc.oneof(name, fc.ipV4(), fc.ipV6().map((address) => `[${address.toLowerCase()}]`));
  const port = fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined });
  fc.assert(fc.property(host, port, fc.boolean(), (text, number, pasted) => {
    const value = number === undefined ? text : `${text}:${number}`;
    assert.deepEqual(parseHost(pasted ? `https://${value}/` : value), {
      host: text.replace(/^\[|\]$/g, ""),
      port: number,
    });
  }));
});

Deno.test("parseHost takes exactly the addresses that node:net takes for such", () => {
  const near = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789abf:."), maxLength: 24 }),
    fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(40), fc.constantFrom("", ":", ".", "0", "1.2.3.4")).map(
      ([address, at, more]) => address.slice(0, at) + more + address.slice(at),
    ),
  );
  fc.assert(
    fc.property(near, (text) => {
      assert.equal(accepted(`[${text}]`) !== undefined, isIPv6(text), text);
      // A name of digits and dots alone is no name.
      if (/^[\d.]+$/.test(text)) assert.equal(accepted(text) !== undefined, isIPv4(text), text);
    }),
    { numRuns: 2000 },
  );
});

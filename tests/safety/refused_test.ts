/** What is refused, with its reason, is complete: held against PVE's schema, and against the gate example by example. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import { catalogue, requestOf } from "../../src/safety/catalogue.ts";
import { admit, entryOf, isCall } from "../../src/safety/gate.ts";
import { ENTERING } from "../../src/safety/policy.ts";
import { refusedCalls } from "../../src/safety/refused_calls.ts";
import { refusedParameters } from "../../src/safety/refused_parameters.ts";
import { refusedValues } from "../../src/safety/refused_values.ts";
import { schemaOf } from "../../src/sim/schema.ts";

const calls = Object.keys(catalogue).filter(isCall);

/** Every parameter that PVE knows for a call of the catalogue, and that the catalogue does not allow. */
const missing = calls.flatMap((call) =>
  Object.keys(schemaOf(requestOf(call)).parameters)
    .filter((name) => !call.includes(`{${name}}`) && !Object.hasOwn(entryOf(call).params, name))
    .map((name) => ({ call, name }))
);

Deno.test("every parameter of PVE is allowed, or refused with one reason", () => {
  assert.ok(missing.length > 150);
  for (const { call, name } of missing) {
    const rows = refusedParameters.filter((row) => row.names.includes(name) && (row.calls?.includes(call) ?? true));
    assert.equal(rows.length, 1, `${name} of ${call} has ${rows.length} rows in src/safety/refused_parameters.ts`);
  }
});

Deno.test("every refused parameter exists in PVE's schema, and nothing that is refused is allowed", () => {
  for (const { names, calls: only, why } of refusedParameters) {
    assert.match(why, /^[A-Z].*[^.]$/);
    for (const name of names) {
      assert.ok(
        missing.some((one) => one.name === name && (only?.includes(one.call) ?? true)),
        `${name} is not refused`,
      );
      for (const call of only ?? []) assert.ok(!Object.hasOwn(entryOf(call).params, name), `${call} takes ${name}`);
      if (only === undefined) {
        for (const call of calls) assert.ok(!Object.hasOwn(entryOf(call).params, name), `${call} takes ${name}`);
      }
    }
  }
});

/** A request of each call that is admitted as it stands. */
const admitted = (call: string): Record<string, unknown> => ({
  node: "pve1",
  ...call.includes("{vmid}") || /\/(?:qemu|lxc)(?: \(restore\))?$/.test(call) ? { vmid: 300 } : {},
  ...call === "POST /nodes/{node}/qemu (restore)"
    ? { archive: "nas:backup/vzdump-qemu-100-2026_11_22-02_00_00.vma.zst", unique: true }
    : {},
  ...call === "POST /nodes/{node}/lxc (restore)"
    ? {
      ostemplate: "nas:backup/vzdump-lxc-200-2026_11_22-02_00_00.tar.zst",
      restore: true,
      unique: true,
      unprivileged: true,
      storage: "ceph",
    }
    : {},
  ...call.endsWith("/migrate") ? { target: "pve2" } : {},
  ...call.startsWith("POST") && call.endsWith("/lxc")
    ? { ostemplate: "local:vztmpl/debian-13.tar.zst", unprivileged: true }
    : {},
  ...call.endsWith("/clone") ? { newid: 301 } : {},
  ...call.startsWith("POST") && call.endsWith("/snapshot") ? { snapname: "before" } : {},
  ...call.includes("{storage}") ? { storage: "nas" } : {},
  ...call === "POST /nodes/{node}/aplinfo"
    ? { storage: "nas", template: "debian-13-standard_13.1-2_amd64.tar.zst" }
    : {},
  ...call.endsWith("/resize") ? { disk: call.includes("/lxc/") ? "rootfs" : "scsi0", size: "+1024M" } : {},
  ...call.endsWith("/download-url") ? { url: "https://cloud.debian.org/x.iso", content: "iso", filename: "x.iso" } : {},
  ...call.endsWith("/oci-registry-pull") ? { reference: "docker.io/library/debian:13", filename: "debian_13" } : {},
  ...call.endsWith("/vzdump") ? { vmid: 300, storage: "nas", remove: false, protected: true } : {},
  ...call.startsWith("PUT") ? { digest: "8115a483bbeccc35e4a864025d3327d07a9a2b16" } : {},
});

Deno.test("the gate refuses each parameter by itself in a request that it admits without it", () => {
  for (const { call, name } of missing.filter(({ call }) => !call.startsWith("GET "))) {
    admit(call, admitted(call));
    for (const slot of name.endsWith("[n]") ? [name.replace("[n]", "0"), name.replace("[n]", "1"), name] : [name]) {
      for (const value of ["1", "0", "local:1", 1, 0, true]) {
        assert.throws(
          () => admit(call, { ...admitted(call), [slot]: value }),
          (error) => error instanceof Refusal && error.message.includes(JSON.stringify(slot)),
          `${call} admitted ${slot}=${value}`,
        );
      }
    }
  }
});

Deno.test("the gate refuses the example of each refused value, and names it", () => {
  for (const { what, examples } of refusedValues) {
    assert.ok(examples.length > 0, what);
    for (const { call, name, value } of examples) {
      admit(call, admitted(call));
      assert.throws(
        () => admit(call, { ...admitted(call), [name]: value }),
        (error) => error instanceof Refusal && error.message.startsWith(`Refused ${name}`),
        `${call} admitted ${name}=${value}`,
      );
    }
  }
});

Deno.test("no refused call is in the catalogue", () => {
  for (const { what, examples } of refusedCalls) {
    assert.ok(examples.length > 0, what);
    for (const call of examples) {
      assert.ok(!isCall(call), call);
      assert.throws(() => admit(call, { node: "pve1", vmid: 100 }), /never sends it/);
    }
  }
});

Deno.test("no call of the catalogue deletes, rolls back, prunes, or reaches the host", () => {
  for (const call of calls) {
    assert.match(
      call,
      /^(?:GET \/(?:version|access\/permissions|pools|cluster\/[a-z/-]+)$|(?:GET|POST|PUT) \/nodes(?:\/|$))/,
    );
    // A read names what it looks at; those that do more than look are not here.
    if (call.startsWith("GET ")) {
      assert.ok(
        !/scan|rollback|execute|wipe|file-read|ticket|proxy|access\/(?!permissions)/.test(call),
        call,
      );
      continue;
    }
    // Commands inside guests: the policy keeps them to tools of tier exec, and to where the settings switch them on.
    if (ENTERING.includes(call)) continue;
    assert.ok(
      !/snapshot\/|rollback|prune|unlink|move_|remote_migrate|migrateall|agent|execute|disks|wipe|acl|backup/
        .test(call),
    );
  }
});

/** What must not compile: undeclared calls, forbidden parameters in a literal or a variable. Checked by `deno check`. */
import type { Params, PveClient } from "../src/pve/client.ts";

/** Never called: its lines only have to fail, or pass, the type check. */
export async function proofs(pve: PveClient<"GET /nodes" | "PUT /nodes/{node}/qemu/{vmid}/config">): Promise<void> {
  const vm = { node: "pve1", vmid: 100 };
  await pve.call("GET /nodes", {});
  await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", { ...vm, memory: 4096, net0: "virtio", tags: undefined });
  // @ts-expect-error an undeclared call
  await pve.call("GET /version", {});
  // @ts-expect-error no request deletes
  await pve.call("DELETE /nodes/{node}/qemu/{vmid}", vm);
  // @ts-expect-error a parameter outside the allowlist, in a literal
  await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", { ...vm, delete: "scsi0" });
  const smuggled = { ...vm, delete: "scsi0" };
  // @ts-expect-error the same in a variable
  await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", smuggled);
  const slot = { ...vm, hostpci0: "0000:01:00.0" };
  // @ts-expect-error a slot outside the allowlist, in a variable
  await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", slot);
  // @ts-expect-error a value of the wrong type
  await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", { ...vm, cores: "two" });
  // @ts-expect-error a path variable is missing
  await pve.call("PUT /nodes/{node}/qemu/{vmid}/config", { node: "pve1" });
  const wide: PveClient = { call: () => Promise.reject(new Error()) };
  // A client for everything serves as a client for less, not the other way round.
  const narrow: PveClient<"GET /nodes"> = wide;
  // @ts-expect-error a narrow client is no wide one
  const widened: PveClient = narrow;
  const create: Params<"POST /nodes/{node}/qemu"> = { node: "pve1", vmid: 100 };
  // @ts-expect-error restoring is not creating
  const restore: Params<"POST /nodes/{node}/qemu"> = { node: "pve1", vmid: 100, archive: "x" };
  void widened, create, restore;
}

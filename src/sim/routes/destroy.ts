/** Turning VMs into templates, and deleting guests. */
import { rename } from "../build.ts";
import { checkLock } from "../config.ts";
import { destroyGuest, isSlot, parseSlot, printSlot, volidOf } from "../disks.ts";
import { die } from "../failure.ts";
import { splitList } from "../property.ts";
import { findVolume, guestOn, type Kind, storageOn, text, type Volume } from "../state.ts";
import { type Context, type Route, start } from "./context.ts";

export const qemuTemplate: Route<"POST /nodes/{node}/qemu/{vmid}/template"> = (context, { node, vmid }) => {
  const { state } = context;
  const found = guestOn(state, node, "qemu", vmid);
  checkLock(found);
  if (found.snapshots.size > 0) die(`unable to create template, because VM contains snapshots`);
  if (text(found.config, "template") === "1") die(`you can't convert a template to a template`);
  if (found.run !== undefined) die("you can't convert a VM to template if VM is running"); // captured 193
  return start(context, {
    node,
    type: "qmtemplate",
    id: String(vmid),
    seconds: 1,
    finish: () => {
      const guest = guestOn(state, node, "qemu", vmid);
      for (const [option, value] of guest.config) {
        if (!isSlot("qemu", option)) continue;
        const drive = parseSlot("qemu", option, String(value));
        const volume: Volume | undefined = findVolume(state, node, volidOf(drive));
        if (volume === undefined || volume.content !== "images" || volume.name.includes("cloudinit")) continue;
        rename(storageOn(state, node, volume.storage), node, volume);
        drive.set("file", `${volume.storage}:${volume.name}`);
        guest.config.set(option, printSlot("qemu", option, drive));
      }
      guest.config.set("template", 1);
    },
  });
};

function destroy(
  context: Context,
  kind: Kind,
  params: {
    node: string;
    vmid: number;
    purge?: boolean | undefined;
    "destroy-unreferenced-disks"?: boolean | undefined;
  },
  force: boolean,
): string {
  const { state } = context;
  const { node, vmid, purge = false } = params;
  const found = guestOn(state, node, kind, vmid);
  const noun = kind === "qemu" ? "VM" : "CT";
  if (found.config.get("protection") === 1) die(`can't remove ${noun} ${vmid} - protection mode enabled`);
  if (found.managed && !purge) {
    die(`unable to remove ${noun} ${vmid} - used in HA resources and purge parameter not set.`);
  }
  if (found.run !== undefined && !force) {
    die(
      kind === "qemu"
        ? `VM ${vmid} is running - destroy failed`
        : `unable to destroy CT ${vmid} - container is running`,
    );
  }
  return start(context, {
    node,
    type: kind === "qemu" ? "qmdestroy" : "vzdestroy",
    id: String(vmid),
    seconds: 2,
    begin: () => checkLock(found),
    finish: (log) => {
      const guest = guestOn(state, node, kind, vmid);
      checkLock(guest);
      guest.run = undefined;
      destroyGuest(state, guest, params["destroy-unreferenced-disks"] ?? false);
      if (!purge) return;
      log(`purging ${noun} ${vmid} from related configurations..`);
      for (const job of state.jobs.values()) {
        const list = job.options.get("vmid");
        if (list !== undefined) {
          job.options.set(
            "vmid",
            splitList(String(list)).filter((id) => id !== String(vmid)).join(","),
          );
        }
      }
    },
  });
}

export const qemuDelete: Route<"DELETE /nodes/{node}/qemu/{vmid}"> = (context, params) =>
  destroy(context, "qemu", params, false);

export const lxcDelete: Route<"DELETE /nodes/{node}/lxc/{vmid}"> = (context, params) =>
  destroy(context, "lxc", params, params.force ?? false);

/** Calls on a node itself that destroy or run anything: wiping a disk, a batch of calls. */
import { die, Failure, invalid } from "../failure.ts";
import { isRecord } from "../schema.ts";
import type { Raw } from "../validate.ts";
import { type Route, start } from "./context.ts";

export const wipedisk: Route<"PUT /nodes/{node}/disks/wipedisk"> = (context, { node: name, disk }) => {
  const node = context.state.nodes.get(name);
  const device = String(disk);
  if (node?.disks.has(device) !== true) die(`${device} is not a valid block device`);
  return start(context, {
    node: name,
    type: "wipedisk",
    id: device.replace("/dev/", ""),
    seconds: 2,
    finish: (log) => {
      node.disks.set(device, "");
      log(`wiping block device ${device}`);
    },
  });
};

function isScalar(value: unknown): value is Raw {
  return ["string", "number", "boolean"].includes(typeof value);
}

/** Every command of the batch runs below /nodes/{node}, and may be any call whatever. */
export const execute: Route<"POST /nodes/{node}/execute"> = (context, { node, commands }) => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(String(commands));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    parsed = undefined;
  }
  if (!Array.isArray(parsed)) invalid({ commands: "invalid format - value is not a valid JSON array\n" });
  return parsed.map((command: unknown) => {
    const { path, method, args }: Readonly<Record<string, unknown>> = isRecord(command) ? command : {};
    const params = new Map<string, Raw>();
    if (isRecord(args)) {
      for (const [key, value] of Object.entries(args)) if (isScalar(value)) params.set(key, value);
    }
    const segments = ["nodes", node, ...String(path).split("/").filter((part) => part !== "")];
    try {
      return { status: 200, data: context.dispatch(String(method), segments, params) };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { status: error.status, message: error.reason };
    }
  });
};

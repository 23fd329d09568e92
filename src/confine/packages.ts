/** Makes the worker a place where npm packages can be loaded; before the first of them is. */

let prepared: Promise<void> | undefined;

/** Does it once. Not at the start: Node's modules cost time, and a client waits for the list of tools. */
export function prepareForPackages(): Promise<void> {
  return prepared ??= prepare();
}

async function prepare(): Promise<void> {
  const [{ default: process }, timers] = await Promise.all([import("node:process"), import("node:timers")]);
  // They look for settings of their own, and a worker that may not read any would throw.
  Object.defineProperty(process, "env", { value: {} });
  // They expect Node's timers, and Deno before 2.8 gives a bundle its own, which are numbers.
  const { setTimeout, clearTimeout, setInterval, clearInterval } = timers;
  Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
}

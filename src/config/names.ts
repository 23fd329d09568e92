/** The names of environment variables to look for where the whole environment may not be listed, as in a compiled binary. */
import { settingRows } from "./settings.ts";

/**
 * All settings, and for each what a slip makes of it: a letter or an underscore too few, two letters swapped or doubled, an
 * S or a D at the end. A mistyped restriction has to be noticed there, too.
 */
export function namesToLookFor(): string[] {
  const names = new Set<string>();
  for (const { variable } of settingRows) {
    const name = variable.slice(prefix.length);
    names.add(name).add(name.replaceAll("_", ""));
    for (const ending of ["S", "D", "ED"]) names.add(name + ending);
    for (let at = 0; at < name.length; at++) {
      const [before, letter = "", after] = [name.slice(0, at), name[at], name.slice(at + 1)];
      names.add(before + after).add(before + letter + letter + after);
      names.add(before + after.slice(0, 1) + letter + after.slice(1));
    }
  }
  return [...names].filter((name) => name !== "").map((name) => prefix + name);
}

const prefix = "PROXMOX_";

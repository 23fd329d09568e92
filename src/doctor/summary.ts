/** Puts the checks together for people: what concerns several tools alike is said once. */
import { type Check, ok } from "./check.ts";

function isOfTool({ id }: Check): boolean {
  return id.startsWith("tool:");
}

/** What is said of a tool, without its name. */
function rest({ id, says }: Check): string {
  return says.slice(id.length - "tool:".length).trimStart();
}

function ofSeveral(said: string): string {
  return said.replace("does not work: it lacks", "do not work: they lack")
    .replace("works in part: it lacks", "work in part: they lack").replace(/^works/, "work");
}

/** The same checks, shorter. Where one set of commands is for all tools, single ones keep theirs for programs alone. */
export function summary(checks: readonly Check[]): Check[] {
  const atOnce = checks.some(({ id }) => id === "role");
  const groups = Map.groupBy(checks.filter(isOfTool), (check) => `${check.status} ${rest(check)}`);
  const [working, limited]: [Check[], Check[]] = [[], []];
  for (const [first, ...others] of groups.values()) {
    if (first === undefined) continue;
    const names = [first, ...others].map(({ id }) => id.slice("tool:".length)).join(", ");
    const count = others.length + 1;
    if (rest(first) === "works") {
      working.push(ok("tools", `${count} ${count === 1 ? "tool works" : "tools work"}: ${names}`));
    } else {
      const says = others.length === 0 ? first.says : `${names} ${ofSeveral(rest(first))}`;
      limited.push({ ...first, says, remedy: atOnce && first.status !== "ok" ? [] : first.remedy });
    }
  }
  const plain = checks.filter((check) => !isOfTool(check));
  const role = plain.filter(({ id }) => id === "role");
  return [...plain.filter((check) => !role.includes(check)), ...limited, ...role, ...working];
}

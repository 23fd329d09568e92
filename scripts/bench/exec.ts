/** `deno task bench:exec`: a command in a container, cold and warm, beside ssh with a control master in the same run. */
import { out } from "../../src/cli/terminal.ts";
import { CT, withExec } from "../../tests/helpers/exec.ts";
import { noSshd, type Sshd } from "../../tests/helpers/sshd.ts";
import { figureTable, ms, percentile, ratio } from "./figures.ts";

const RUNS = 60;
const WARM_UP = 5;

/** What each takes in milliseconds, in turns: whatever else the machine does meets both. */
async function measured(runs: readonly (() => Promise<unknown>)[]): Promise<readonly (readonly number[])[]> {
  const samples = runs.map((): number[] => []);
  for (let count = -WARM_UP; count < RUNS; count++) {
    for (const [index, run] of runs.entries()) {
      const took = await timed(run);
      if (count >= 0) samples[index]?.push(took);
    }
  }
  return samples;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** OpenSSH's own client; with a control master it makes one connection, and each later call only starts a process. */
function openSsh(sshd: Sshd) {
  Deno.writeTextFileSync(`${sshd.root}/known`, `${sshd.known}\n`);
  const settings = ["BatchMode=yes", "LogLevel=ERROR", `UserKnownHostsFile=${sshd.root}/known`];
  const place = ["-F", "none", "-i", sshd.key, "-p", String(sshd.port), ...settings.flatMap((one) => ["-o", one])];
  const socket = `${sshd.root}/master`;
  const ssh = async (...args: readonly string[]) => {
    const command = new Deno.Command("ssh", { args: [...place, ...args], stdin: "null", stdout: "null" });
    const { success } = await command.output();
    if (!success) throw new Error(`ssh ${args.join(" ")} failed`);
  };
  const host = `${sshd.user}@127.0.0.1`;
  const command = [`pct exec ${CT} --keep-env 0 -- /bin/sh -lc true`];
  return {
    open: () => ssh("-M", "-S", socket, "-f", "-N", host),
    warm: () => ssh("-S", socket, host, ...command),
    cold: () => ssh(host, ...command),
    close: () => ssh("-S", socket, "-O", "exit", host),
  };
}

if (noSshd !== undefined) {
  out(`skipped: ${noSshd}`);
} else {
  await withExec({}, async ({ ok, sshd }) => {
    const call = () => ok("exec_in_container", { vmid: CT, command: "true" });
    const first = await timed(call);
    const ssh = openSsh(sshd);
    const cold = await timed(ssh.cold);
    await ssh.open();
    try {
      const [floor = [], own = []] = await measured([ssh.warm, call]);
      const row = (name: string, samples: readonly number[]) => [
        name,
        ...[0.5, 0.95].map((share) => ms(percentile(samples, share))),
        ratio(percentile(samples, 0.5), percentile(floor, 0.5)),
      ];
      out(figureTable("A command in a container, in ms", ["", "p50", "p95", "beside ssh"], [
        row("ssh with a control master", floor),
        row("exec_in_container, connection open", own),
        ["ssh, new connection", ms(cold), "", ""],
        ["exec_in_container, the first one", ms(first), "", ratio(first, cold)],
      ]));
    } finally {
      await ssh.close();
    }
  });
}

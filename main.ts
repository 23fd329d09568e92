/** The launcher: reads the command line and picks a command, nothing else. */
import process from "node:process";
import { helpText, parseArguments } from "./src/cli/arguments.ts";
import { clean, err, isTerminal, out } from "./src/cli/terminal.ts";
import { WorkerFault } from "./src/confine/launcher.ts";
import { UsageError } from "./src/errors.ts";
import { NAME, VERSION } from "./src/version.ts";

/** Runs the command and returns the exit code; undefined while it goes on serving. */
async function main(): Promise<number | undefined> {
  const command = parseArguments(Deno.args, isTerminal("stdin"));
  switch (command.command) {
    case "serve":
      return await (await import("./src/cli/serve.ts")).serveCommand(command);
    case "call":
      return await (await import("./src/cli/call.ts")).callCommand(command);
    case "doctor":
      return command.confinement
        ? await (await import("./src/cli/confinement.ts")).checkConfinement(command)
        : await (await import("./src/cli/doctor.ts")).doctorCommand(command);
    case "init":
      return await (await import("./src/cli/init.ts")).initCommand(command);
    case "tools":
      (await import("./src/cli/tools.ts")).toolsCommand(command);
      return 0;
    case "guarantee":
      (await import("./src/cli/guarantee.ts")).guaranteeCommand(command);
      return 0;
    case "demo":
      return await (await import("./src/cli/demo.ts")).demoCommand(command);
    case "install":
      (await import("./src/cli/install.ts")).installCommand(command);
      return 0;
    case "simulate":
      await (await import("./src/cli/simulate.ts")).simulateCommand(command);
      return undefined;
    case "help":
      out(helpText());
      return 0;
    case "version":
      out(`${NAME} ${VERSION}`);
      return 0;
  }
}

try {
  const code = await main();
  if (code !== undefined) process.exit(code);
} catch (error) {
  if (error instanceof WorkerFault) {
    err(clean(error.message));
    process.exit(70);
  }
  if (!(error instanceof UsageError)) throw error;
  err(error.message + (error.remedy === undefined ? "" : `\nWhat to do: ${error.remedy}`));
  process.exit(2);
}

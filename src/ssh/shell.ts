/** What a tool asks of whoever runs commands in guests: SSH to a node, or the demo's own guests. */

/** One command in one guest. */
export interface GuestCommand {
  readonly kind: "container" | "vm";
  /** Where the guest runs. */
  readonly node: string;
  readonly vmid: number;
  /** The program and its arguments, exactly as the guest gets them. */
  readonly argv: readonly string[];
  /** When it is ended. */
  readonly seconds: number;
  readonly stdin?: Uint8Array | undefined;
}

/** Where output goes, and what ends a command. */
export interface RunOptions {
  readonly signal: AbortSignal;
  readonly onStdout: (chunk: Uint8Array) => void;
  readonly onStderr: (chunk: Uint8Array) => void;
}

/** How a command ended. */
export interface Ended {
  readonly exitCode: number;
  /** It is over, but something that it has started goes on and holds its output. */
  readonly leftBehind?: boolean;
}

/** Runs commands in guests. */
export interface GuestShell {
  /**
   * @throws {PveError} when the way to the guest fails, or the command did not end in its time
   * @throws {Refusal} for what the gate does not admit
   */
  run(command: GuestCommand, options: RunOptions): Promise<Ended>;
}

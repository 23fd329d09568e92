/** The systems that a release is built for: the one table behind file names, formula, manifests, bundles and runners. */
import { NAME } from "../../src/version.ts";

export interface Target {
  /** As it stands in file names: linux-x64. */
  readonly name: string;
  /** As `deno compile --target` takes it. */
  readonly triple: string;
  readonly os: "linux" | "macos" | "windows";
  readonly arch: "x64" | "arm64";
  /** GitHub's runner that can start it. */
  readonly runner: string;
}

/** All that Deno 2.9.6 can compile for. */
export const targets = [
  { name: "linux-x64", triple: "x86_64-unknown-linux-gnu", os: "linux", arch: "x64", runner: "ubuntu-24.04" },
  { name: "linux-arm64", triple: "aarch64-unknown-linux-gnu", os: "linux", arch: "arm64", runner: "ubuntu-24.04-arm" },
  { name: "macos-x64", triple: "x86_64-apple-darwin", os: "macos", arch: "x64", runner: "macos-15-intel" },
  { name: "macos-arm64", triple: "aarch64-apple-darwin", os: "macos", arch: "arm64", runner: "macos-15" },
  { name: "windows-x64", triple: "x86_64-pc-windows-msvc", os: "windows", arch: "x64", runner: "windows-2025" },
  { name: "windows-arm64", triple: "aarch64-pc-windows-msvc", os: "windows", arch: "arm64", runner: "windows-11-arm" },
] as const satisfies readonly Target[];

/** The executable's file name. */
export function fileOf(target: Target): string {
  return `${NAME}-${target.name}${target.os === "windows" ? ".exe" : ""}`;
}

/** The file name of the bundle for Claude Desktop and other clients that take MCPB. */
export function bundleOf(target: Target): string {
  return `${NAME}-${target.name}.mcpb`;
}

/** The target of the machine this runs on; undefined where there is none. */
export function hostTarget(): Target | undefined {
  return targets.find(({ triple }) => triple === Deno.build.target);
}

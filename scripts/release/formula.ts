/** The Homebrew formula: one for macOS and Linux, on both architectures, that installs the released executable. */
import { NAME, VERSION } from "../../src/version.ts";
import type { Sums } from "./checksums.ts";
import { downloadUrl, HOME, LICENSE, SUMMARY } from "./project.ts";
import { fileOf, type Target, targets } from "./targets.ts";

export const FORMULA_FILE = `${NAME}.rb`;

/** Homebrew's words for the two architectures. */
const BLOCKS = { arm64: "on_arm", x64: "on_intel" } as const;

/** The formula in Ruby. It names the systems whose executables are in `sums`; without any it is undefined. */
export function formula(sums: Sums): string | undefined {
  const systems = (["macos", "linux"] as const).flatMap((os) => systemBlock(os, sums));
  if (systems.length === 0) return undefined;
  return [
    "class ProxmoxMcp < Formula",
    `  desc "${SUMMARY}"`,
    `  homepage "${HOME}"`,
    // Said, not read from the url: there, "x64" at its end looks like a version.
    `  version "${VERSION}"`,
    `  license "${LICENSE}"`,
    "",
    ...systems,
    "  def install",
    `    bin.install Dir["${NAME}-*"].first => "${NAME}"`,
    `    chmod 0755, bin/"${NAME}"`,
    "  end",
    "",
    "  test do",
    `    assert_equal "${NAME} #{version}", shell_output("#{bin}/${NAME} --version").strip`,
    `    assert_match "pve1", shell_output("#{bin}/${NAME} call list_nodes --demo")`,
    `    assert_match "0 allowed", shell_output("#{bin}/${NAME} doctor --confinement --demo")`,
    "  end",
    "end",
    "",
  ].join("\n");
}

function systemBlock(os: "macos" | "linux", sums: Sums): string[] {
  const lines = targets.filter((target) => target.os === os).flatMap((target) => architectureBlock(target, sums));
  return lines.length === 0 ? [] : [`  on_${os} do`, ...lines, "  end", ""];
}

function architectureBlock(target: Target, sums: Sums): string[] {
  const sum = sums.get(fileOf(target));
  if (sum === undefined) return [];
  return [
    `    ${BLOCKS[target.arch]} do`,
    `      url "${downloadUrl(fileOf(target))}"`,
    `      sha256 "${sum}"`,
    "    end",
  ];
}

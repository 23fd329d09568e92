/** Where each client keeps its file, on each operating system. */
import assert from "node:assert/strict";
import { type Client, clientOf, clients, type Os } from "../../src/install/clients.ts";
import { fileOf, isClaudeRunning, pathsOf, PLACES, type System } from "../../src/install/locate.ts";
import { stablePath } from "../../src/install/server.ts";

const homes = {
  darwin: { HOME: "/Users/ada" },
  linux: { HOME: "/home/ada" },
  windows: {
    USERPROFILE: "C:\\Users\\ada",
    APPDATA: "C:\\Users\\ada\\AppData\\Roaming",
    LOCALAPPDATA: "C:\\Users\\ada\\AppData\\Local",
  },
} as const;

/** A computer with these folders. */
function system(
  os: Os,
  env: Partial<Record<(typeof PLACES)[number], string>> = homes[os],
  folders: readonly string[] = [],
): System {
  const path = pathsOf(os);
  return {
    os,
    env: (name) => env[name],
    isFolder: (folder) => folders.some((one) => one === folder || one.startsWith(folder + path.sep)),
    names: (folder) =>
      folders.filter((one) => one.startsWith(folder + path.sep)).map((one) =>
        one.slice(folder.length + 1).split(path.sep)[0] ?? ""
      ),
  };
}

function client(id: string): Client {
  const found = clientOf(id);
  assert.ok(found !== undefined);
  return found;
}

Deno.test("each client's file is where its maker says", () => {
  const expected: Record<string, readonly [string, string, string]> = {
    "claude-desktop": [
      "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json",
      "/home/ada/.config/Claude/claude_desktop_config.json",
      "C:\\Users\\ada\\AppData\\Roaming\\Claude\\claude_desktop_config.json",
    ],
    cursor: ["/Users/ada/.cursor/mcp.json", "/home/ada/.cursor/mcp.json", "C:\\Users\\ada\\.cursor\\mcp.json"],
    vscode: [
      "/Users/ada/Library/Application Support/Code/User/mcp.json",
      "/home/ada/.config/Code/User/mcp.json",
      "C:\\Users\\ada\\AppData\\Roaming\\Code\\User\\mcp.json",
    ],
    zed: [
      "/Users/ada/.config/zed/settings.json",
      "/home/ada/.config/zed/settings.json",
      "C:\\Users\\ada\\AppData\\Roaming\\Zed\\settings.json",
    ],
    codex: ["/Users/ada/.codex/config.toml", "/home/ada/.codex/config.toml", "C:\\Users\\ada\\.codex\\config.toml"],
    goose: [
      "/Users/ada/.config/goose/config.yaml",
      "/home/ada/.config/goose/config.yaml",
      "C:\\Users\\ada\\AppData\\Roaming\\Block\\goose\\config\\config.yaml",
    ],
  };
  for (const [id, files] of Object.entries(expected)) {
    for (const [at, os] of (["darwin", "linux", "windows"] as const).entries()) {
      assert.equal(fileOf(client(id), system(os)), files[at]);
    }
  }
});

Deno.test("every client has a full path on every operating system", () => {
  for (const one of clients) {
    for (const os of ["darwin", "linux", "windows"] as const) {
      assert.ok(pathsOf(os).isAbsolute(fileOf(one, system(os))), `${one.id} on ${os}`);
    }
  }
});

Deno.test("XDG_CONFIG_HOME counts on Linux, if it is a full path", () => {
  const at = (folder: string) =>
    fileOf(client("vscode"), system("linux", { HOME: "/home/ada", XDG_CONFIG_HOME: folder }));
  assert.equal(at("/etc/ada"), "/etc/ada/Code/User/mcp.json");
  assert.equal(at("config"), "/home/ada/.config/Code/User/mcp.json");
});

Deno.test("a home that is not known is asked for", () => {
  assert.throws(() => fileOf(client("cursor"), system("linux", {})), { name: "UsageError", remedy: /--file/ });
});

Deno.test("the Claude Desktop of the Windows Store is found, and two of them are told apart by a person", () => {
  const packages = "C:\\Users\\ada\\AppData\\Local\\Packages";
  const folder = (name: string) => `${packages}\\${name}\\LocalCache\\Roaming\\Claude`;
  const windows = (...names: string[]) => system("windows", homes.windows, names.map(folder));
  const find = (on: System) => fileOf(client("claude-desktop"), on);
  const store = `${folder("Claude_pzs8sxrjxfjjc")}\\claude_desktop_config.json`;
  assert.equal(find(windows("Claude_pzs8sxrjxfjjc", "Other_1")), store);
  assert.match(find(windows("Claudette_1")), /AppData\\Roaming\\Claude\\/);
  assert.throws(() => find(windows("Claude_a", "Claude_b")), { message: /Claude_a.*Claude_b/, remedy: /--file/ });
});

Deno.test("a running Claude Desktop is seen by its lock", () => {
  const at = "/home/ada/.config/Claude";
  assert.equal(isClaudeRunning(`${at}/claude_desktop_config.json`, system("linux", {}, [`${at}/SingletonLock`])), true);
  assert.equal(isClaudeRunning(`${at}/claude_desktop_config.json`, system("linux", {}, [`${at}/Cookies`])), false);
});

Deno.test("the path that a package manager keeps across versions is written", () => {
  const cases = [
    ["/opt/homebrew/Cellar/proxmox-mcp/0.1.0/bin/proxmox-mcp", "/opt/homebrew/bin/proxmox-mcp"],
    [
      "/home/linuxbrew/.linuxbrew/Cellar/proxmox-mcp/0.1.0_1/bin/proxmox-mcp",
      "/home/linuxbrew/.linuxbrew/bin/proxmox-mcp",
    ],
    [
      "C:\\Users\\ada\\scoop\\apps\\proxmox-mcp\\0.1.0\\proxmox-mcp.exe",
      "C:\\Users\\ada\\scoop\\apps\\proxmox-mcp\\current\\proxmox-mcp.exe",
    ],
    ["/usr/local/bin/proxmox-mcp", "/usr/local/bin/proxmox-mcp"],
  ] as const;
  for (const [versioned, stable] of cases) {
    assert.equal(stablePath(versioned, () => true), stable);
    assert.equal(stablePath(versioned, () => false), versioned);
  }
});

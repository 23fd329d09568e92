/** The few programs that a simulated guest has: enough to look around, to keep files, and to install nginx. */
import { bytes, resolved, type System, write } from "./guest_files.ts";

/** One run of a program. */
export interface Process {
  readonly system: System;
  readonly argv: readonly string[];
  readonly stdin: Uint8Array;
  /** The working directory; cd changes it. */
  folder: string;
  readonly user: string;
  readonly env: Map<string, string>;
  out(text: string | Uint8Array): void;
  err(text: string): void;
  /** Lets simulated time pass, in seconds. */
  wait(seconds: number): void;
}

type Program = (process: Process) => number;

const decoder = new TextDecoder();

function missing({ argv, err }: Process, path: string, why = "No such file or directory"): number {
  err(`${argv[0]}: ${path}: ${why}\n`);
  return 1;
}

function apt(process: Process): number {
  const { system, argv, out, err } = process;
  const words = argv.slice(1).filter((word) => !word.startsWith("-"));
  if (words[0] === "update") {
    out("Hit:1 http://deb.debian.org/debian trixie InRelease\nReading package lists...\n");
    return 0;
  }
  if (words[0] !== "install") {
    err(`E: Invalid operation ${words[0] ?? ""}\n`);
    return 100;
  }
  process.wait(1);
  out("Reading package lists...\nBuilding dependency tree...\n");
  for (const name of words.slice(1)) {
    if (!["nginx", "curl", "htop", "vim"].includes(name)) {
      err(`E: Unable to locate package ${name}\n`);
      return 100;
    }
    if (system.packages.has(name)) out(`${name} is already the newest version.\n`);
    else out(`Unpacking ${name} ...\nSetting up ${name} ...\n`);
    system.packages.add(name);
    write(system, `/usr/sbin/${name}`, bytes("\x7fELF"), "755");
    if (name === "nginx") {
      system.services.add("nginx");
      write(system, "/var/www/html/index.html", bytes("<h1>Welcome to nginx!</h1>\n"));
      write(system, "/etc/nginx/nginx.conf", bytes("user www-data;\n"));
    }
  }
  return 0;
}

function systemctl({ system, argv, out, err }: Process): number {
  const [verb = "", unit = ""] = argv.slice(1).filter((word) => !word.startsWith("-"));
  const name = unit.replace(/\.service$/, "");
  const known = name === "ssh" || system.packages.has(name);
  if (!known) {
    err(`Unit ${name}.service could not be found.\n`);
    return 4;
  }
  if (verb === "start" || verb === "restart" || verb === "enable") system.services.add(name);
  else if (verb === "stop") system.services.delete(name);
  else {
    const state = system.services.has(name) ? "active" : "inactive";
    out(
      verb === "is-active"
        ? `${state}\n`
        : `● ${name}.service\n     Active: ${state}${state === "active" ? " (running)" : " (dead)"}\n`,
    );
    return state === "active" ? 0 : 3;
  }
  return 0;
}

function ls({ system, argv, folder, out }: Process): number {
  const long = argv.some((word) => /^-\w*l/.test(word));
  const all = argv.some((word) => /^-\w*a/.test(word));
  const path = resolved(argv.slice(1).find((word) => !word.startsWith("-")) ?? ".", folder);
  const entry = system.files.get(path);
  if (entry === undefined && path !== "/") return 2;
  const shown = (name: string, full: string) => {
    const { content, mode = "755", owner = "root" } = system.files.get(full) ?? { content: undefined };
    out(long ? `${content === undefined ? "d" : "-"}${mode} ${owner} ${content?.length ?? 0} ${name}\n` : `${name}\n`);
  };
  if (entry?.content !== undefined) shown(path, path);
  else {
    const base = path === "/" ? "/" : `${path}/`;
    const names = [...system.files.keys()].filter((other) => other.startsWith(base) && other !== base)
      .map((other) => other.slice(base.length)).filter((name) => !name.includes("/") && (all || !name.startsWith(".")));
    for (const name of names.sort()) shown(name, base + name);
  }
  return 0;
}

export const programs: Readonly<Record<string, Program>> = {
  true: () => 0,
  ":": () => 0,
  false: () => 1,
  echo({ argv, out }) {
    const bare = argv[1] === "-n";
    out(argv.slice(bare ? 2 : 1).join(" ") + (bare ? "" : "\n"));
    return 0;
  },
  printf({ argv, out }) {
    const rest = argv.slice(2);
    out((argv[1] ?? "").replaceAll("\\n", "\n").replaceAll(/%s/g, () => rest.shift() ?? ""));
    return 0;
  },
  cat(process) {
    const { system, argv, stdin, folder, out } = process;
    if (argv.length === 1) out(stdin);
    for (const name of argv.slice(1)) {
      const entry = system.files.get(resolved(name, folder));
      if (entry === undefined) return missing(process, name);
      if (entry.content === undefined) return missing(process, name, "Is a directory");
      out(entry.content);
    }
    return 0;
  },
  wc({ argv, stdin, out }) {
    out(`${argv[1] === "-c" ? stdin.length : decoder.decode(stdin).split("\n").length - 1}\n`);
    return 0;
  },
  ls: (process) => ls(process) === 0 ? 0 : missing(process, process.argv.at(-1) ?? "", "No such file or directory"),
  cd(process) {
    const path = resolved(
      process.argv[1] === "--" ? process.argv[2] ?? "/root" : process.argv[1] ?? "/root",
      process.folder,
    );
    const entry = process.system.files.get(path);
    if (path !== "/" && (entry === undefined || entry.content !== undefined)) {
      process.err(`sh: 1: cd: can't cd to ${path}\n`);
      return 2;
    }
    process.folder = path;
    return 0;
  },
  export({ argv, env }) {
    for (const word of argv.slice(1)) env.set(word.split("=")[0] ?? "", word.slice(word.indexOf("=") + 1));
    return 0;
  },
  env({ env, out }) {
    for (const [name, value] of env) out(`${name}=${value}\n`);
    return 0;
  },
  mkdir({ system, argv, folder }) {
    for (const name of argv.slice(1).filter((word) => !word.startsWith("-"))) {
      const path = resolved(name, folder);
      write(system, `${path}/.`, bytes(""));
      system.files.delete(`${path}/.`);
    }
    return 0;
  },
  touch({ system, argv, folder }) {
    for (const name of argv.slice(1)) {
      const path = resolved(name, folder);
      if (!system.files.has(path)) write(system, path, bytes(""));
    }
    return 0;
  },
  sleep({ argv, wait }) {
    wait(Number(argv[1]) || 0);
    return 0;
  },
  pwd({ folder, out }) {
    out(`${folder}\n`);
    return 0;
  },
  whoami({ user, out }) {
    out(`${user}\n`);
    return 0;
  },
  id({ user, out }) {
    out(user === "root" ? "uid=0(root) gid=0(root) groups=0(root)\n" : `uid=1000(${user}) gid=1000(${user})\n`);
    return 0;
  },
  hostname({ system, out }) {
    out(`${system.hostname}\n`);
    return 0;
  },
  uname({ system, argv, out }) {
    out(argv[1] === "-a" ? `Linux ${system.hostname} 6.14.11-4-pve #1 SMP x86_64 GNU/Linux\n` : "Linux\n");
    return 0;
  },
  df({ out }) {
    out("Filesystem  Size  Used Avail Use% Mounted on\n/dev/root   7.8G  1.1G  6.3G  15% /\n");
    return 0;
  },
  ps({ system, out }) {
    out(
      `  PID COMMAND\n    1 systemd\n${
        [...system.services].map((name, at) => `${String(100 + at).padStart(5)} ${name}\n`).join("")
      }`,
    );
    return 0;
  },
  apt,
  "apt-get": apt,
  systemctl,
  service: (process) => systemctl({ ...process, argv: ["systemctl", process.argv[2] ?? "", process.argv[1] ?? ""] }),
  nginx({ system, argv, err }) {
    if (!system.packages.has("nginx")) return 127;
    err(
      argv[1] === "-t"
        ? "nginx: configuration file /etc/nginx/nginx.conf test is successful\n"
        : "nginx version: nginx/1.26.3\n",
    );
    return 0;
  },
  curl({ system, argv, out, err }) {
    const page = system.files.get("/var/www/html/index.html")?.content;
    const here = argv.some((word) => /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1)(?:\/|$)/.test(word));
    if (!system.packages.has("curl")) return 127;
    if (here && system.services.has("nginx") && page !== undefined) {
      out(page);
      return 0;
    }
    err("curl: (7) Failed to connect: Could not connect to server\n");
    return 7;
  },
};

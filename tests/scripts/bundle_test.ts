/** The bundle: nothing in it loads code by a name that is known at run time only. */
import assert from "node:assert/strict";
import { parse } from "@babel/parser";
import { bitmapOf } from "../helpers/picture.ts";
import { ROOT } from "../helpers/server.ts";
import { bundle, compileArguments, LAUNCHER, permissionFlags, V8_FLAGS, WORKER } from "../../scripts/bundle.ts";

type Node = Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function list(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function* nodes(node: Node): Generator<Node> {
  yield node;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* nodes(child);
  }
}

/** A string as it stands, also as a template without anything in it. */
function isLiteral(node: unknown): boolean {
  return isNode(node) &&
    (node.type === "StringLiteral" || node.type === "TemplateLiteral" && list(node.expressions).length === 0);
}

/** new URL("…", import.meta.url), or its href. */
function isOwnUrl(node: unknown): boolean {
  if (!isNode(node)) return false;
  if (node.type === "MemberExpression") return isOwnUrl(node.object);
  const [path, base] = list(node.arguments);
  return node.type === "NewExpression" && isNode(node.callee) && node.callee.name === "URL" && isLiteral(path) &&
    isNode(base) && base.type === "MemberExpression" && isNode(base.object) && base.object.type === "MetaProperty";
}

/** `require` itself, or what the bundler makes of it for CommonJS packages. */
function isRequire(callee: Node | undefined): boolean {
  return callee?.type === "Identifier" && /^(?:__)?require\d*$/.test(String(callee.name));
}

/** What a file does that loads code by a computed name, as text. */
function computed(code: string): string[] {
  const { program } = parse(code, { sourceType: "module", createImportExpressions: true });
  const found: string[] = [];
  const say = (node: Node) =>
    found.push(code.slice(Number(node.start), Math.min(Number(node.end), Number(node.start) + 120)));
  for (const node of nodes({ ...program })) {
    const [first] = list(node.arguments);
    const callee = isNode(node.callee) ? node.callee : undefined;
    if (node.type === "ImportExpression" && !isLiteral(node.source)) say(node);
    if (node.type === "CallExpression" && isRequire(callee) && !isLiteral(first)) say(node);
    if (node.type === "CallExpression" && callee?.name === "eval") say(node);
    if (node.type === "NewExpression" && callee?.name === "Worker" && !isLiteral(first) && !isOwnUrl(first)) say(node);
  }
  return found;
}

Deno.test("the search for computed names finds them, and lets what is written out pass", () => {
  const bad = [
    "import(a)",
    "import('./' + a)",
    "import(`./${a}`)",
    "require(a)",
    "__require(a)",
    "new Worker(a)",
    "new Worker(new URL(a, import.meta.url))",
    "new Worker(new URL('./a.js', b))",
    "eval('1')",
  ];
  for (const code of bad) assert.deepEqual(computed(code), [code]);
  const good = ["import('./a.js')", "import(`./a.js`)", "require('a')", "new Worker('data:,')"];
  for (const code of [...good, "new Worker(new URL('./a.js', import.meta.url), b)"]) {
    assert.deepEqual(computed(code), []);
  }
});

async function filesIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) files.push(...await filesIn(`${folder}/${name}`));
    else files.push(`${folder}/${name}`);
  }
  return files;
}

Deno.test("the bundle computes no name of what it loads, finds its worker, and runs", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // With its names: minified ones would not tell what is a require().
    await bundle(folder, { minify: false });
    const files = await filesIn(folder);
    assert.ok(files.includes(`${folder}/${LAUNCHER}`) && files.includes(`${folder}/${WORKER}`));
    let requires = 0;
    for (const file of files) {
      assert.match(file, /\.js$/);
      const code = await Deno.readTextFile(file);
      requires += code.match(/\b__require\d*\("node:/g)?.length ?? 0;
      assert.deepEqual(computed(code), [], file);
    }
    assert.ok(requires > 0, "the bundler calls require() by another name, which the search does not know");
    await bundle(folder);
    const args = [
      "run",
      "--quiet",
      "--no-config",
      "--unstable-worker-options",
      "--no-prompt",
      `--allow-read=${folder}`,
    ];
    const call = async (...rest: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [...args, `${folder}/${LAUNCHER}`, "call", ...rest, "--demo"],
        cwd: folder,
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      return stdout;
    };
    assert.equal(JSON.parse(new TextDecoder().decode(await call("list_nodes", "--json"))).nodes.length, 3);
    // What draws, and the font, are embedded.
    assert.equal(bitmapOf(await call("guest_metrics", "vmid=102", "chart=small", "--png")).width, 480);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an executable may start nothing, load nothing native, and see no variable but those it knows", () => {
  const flags = permissionFlags();
  for (const flag of ["--no-prompt", "--deny-run", "--deny-ffi", "--deny-sys"]) assert.ok(flags.includes(flag), flag);
  assert.ok(!flags.some((flag) => /^--allow-(?:env|all|run|ffi|sys)$|^-A$/.test(flag)), flags.join(" "));
  const site = permissionFlags("pve.lan:8006");
  assert.deepEqual(site.filter((flag) => /net|write/.test(flag)), ["--allow-net=pve.lan:8006"]);
});

Deno.test("executables and deno task start keep V8's heap small alike", async () => {
  assert.ok(compileArguments("a", "b").includes(`--v8-flags=${V8_FLAGS}`));
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  assert.ok(String(tasks.start).includes(` --v8-flags=${V8_FLAGS} `));
});

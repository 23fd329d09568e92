/**
 * Makes the mutants of a source file from its syntax tree: each replaces one piece of text.
 *
 * Not mutated, as the guarantee does not depend on them: types, imports, and text for people (what a Refusal, a fault or a
 * rule says; that a refusal names its parameter and value is a test of its own).
 */
import { parse } from "@babel/parser";
import { mutate, mutators } from "weapon-regex";

/** One change of one file. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The line as it reads, which tells equal changes apart. */
  readonly in: string;
  readonly start: number;
  readonly end: number;
  readonly before: string;
  readonly after: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly raw: Readonly<Record<string, unknown>>;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function nodeOf(value: unknown): Node | undefined {
  const raw = record(value);
  const { type, start, end } = raw;
  if (typeof type !== "string" || typeof start !== "number" || typeof end !== "number") return undefined;
  const line = record(record(raw.loc).start).line;
  return { type, start, end, raw, line: typeof line === "number" ? line : 0 };
}

function nodesOf(value: unknown): Node[] {
  return (Array.isArray(value) ? value : [value]).flatMap((one) => nodeOf(one) ?? []);
}

const TYPES = /^(?:TS(?!AsExpression|SatisfiesExpression|NonNullExpression)|Import|ExportAll)/;

/** Operators and what each becomes. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "===": ["!=="],
  "!==": ["==="],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "+": ["-"],
  "-": ["+"],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
};

/** Those that make sense in JavaScript, and that differ from the original between two anchors. */
const REGEX_MUTATORS = [
  "BOLRemoval",
  "EOLRemoval",
  "CharClassAnyChar",
  "CharClassChildRemoval",
  "CharClassNegation",
  "LookaroundNegation",
  "PredefCharClassAnyChar",
  "PredefCharClassNegation",
  "QuantifierNChange",
  "QuantifierNMModification",
  "QuantifierNOrMoreChange",
  "QuantifierNOrMoreModification",
  "QuantifierRemoval",
  "QuantifierShortChange",
  "QuantifierShortModification",
];

/** All mutants of a regular expression's source; its alternatives are left out one by one as well. */
export function regexMutants(pattern: string): string[] {
  const chosen = REGEX_MUTATORS.flatMap((name) => mutators.get(name) ?? []);
  const found = mutate(pattern, "", { mutators: chosen }).map((mutant) => mutant.pattern);
  const valid = [...found, ...withoutAlternative(pattern)].filter((source) => {
    try {
      new RegExp(source);
      return source !== pattern;
    } catch {
      return false;
    }
  });
  return [...new Set(valid)];
}

function withoutAlternative(pattern: string): string[] {
  const results: string[] = [];
  const starts: number[] = [0];
  const bars: number[][] = [[]];
  const close = (end: number) => {
    const start = starts.pop() ?? 0;
    const cuts = [start, ...(bars.pop() ?? []), end];
    for (let index = 0; cuts.length > 2 && index < cuts.length - 1; index++) {
      const [from = 0, to = 0] = [cuts[index], cuts[index + 1]];
      // The bar goes with the alternative before it, but the last alternative takes the bar in front of it.
      const last = index === cuts.length - 2;
      results.push(
        last
          ? pattern.slice(0, from) + pattern.slice(to)
          : pattern.slice(0, index === 0 ? from : from + 1) + pattern.slice(to + 1),
      );
    }
  };
  let inClass = false;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === "\\") at++;
    else if (inClass) inClass = char !== "]";
    else if (char === "[") inClass = true;
    else if (char === "|") bars.at(-1)?.push(at);
    else if (char === "(") {
      const head = /^\((?:\?(?:[:=!]|<[=!]|<\w+>))?/.exec(pattern.slice(at))?.[0] ?? "(";
      starts.push(at + head.length);
      bars.push([]);
      at += head.length - 1;
    } else if (char === ")") close(at);
  }
  close(pattern.length);
  return results;
}

/** Every mutant of a file. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const found: Mutant[] = [];
  const lines = source.split("\n");
  const add = (node: { start: number; end: number; line: number }, after: string) => {
    const before = source.slice(node.start, node.end);
    const { start, end, line } = node;
    if (before !== after) found.push({ file, line, in: lines[line - 1]?.trim() ?? "", start, end, before, after });
  };
  const text = (node: Node) => source.slice(node.start, node.end);
  /** Takes one of several out, with its comma. */
  const drop = (nodes: readonly Node[], index: number) => {
    const node = nodes[index];
    if (node === undefined) return;
    const rest = /^\s*,/.exec(source.slice(node.end))?.[0].length ?? 0;
    add({ start: node.start, end: node.end + rest, line: node.line }, "");
  };
  const calls =
    /^(?:.*\.)?(?:test|includes|has|hasOwn|some|every|isInteger|isWellFormed|endsWith|startsWith|is[A-Z]\w*)$/;

  function own(node: Node, parent: Node | undefined, words: boolean): void {
    const { type, raw } = node;
    const operator = typeof raw.operator === "string" ? raw.operator : "";
    const [left, right, test, argument, callee, body] = ["left", "right", "test", "argument", "callee", "body"].map(
      (key) => nodeOf(raw[key]),
    );
    if (type === "BinaryExpression" || type === "LogicalExpression") {
      if (left !== undefined && right !== undefined) {
        const between = source.slice(left.end, right.start);
        const at = left.end + between.indexOf(operator);
        for (const other of OPERATORS[operator] ?? []) {
          if (!words || operator !== "+") add({ start: at, end: at + operator.length, line: node.line }, other);
        }
        if (type === "LogicalExpression") {
          add(node, text(left));
          add(node, text(right));
        }
      }
    }
    if (type === "UnaryExpression" && operator === "!" && argument !== undefined) add(node, text(argument));
    if (/^(?:If|While|Conditional)/.test(type) && test !== undefined) {
      add(test, "true");
      if (type !== "WhileStatement") add(test, "false");
    }
    if (
      /^(?:ExpressionStatement|ThrowStatement|ReturnStatement|ContinueStatement|BreakStatement)$/.test(type) &&
      parent?.type !== "ExportNamedDeclaration"
    ) {
      // The name before a return's value stays: what is left must still parse.
      add(node, ";");
    }
    if (type === "BlockStatement" && parent !== undefined && /Function/.test(parent.type)) add(node, "{}");
    if (type === "ArrowFunctionExpression" && body !== undefined && body.type !== "BlockStatement") {
      add(body, "undefined");
    }
    if (type === "CallExpression" && callee !== undefined && calls.test(text(callee))) {
      add(node, "true");
      add(node, "false");
    }
    if (type === "AwaitExpression" && parent?.type === "ExpressionStatement") add(node, "undefined");
    if (type === "ArrayExpression") nodesOf(raw.elements).forEach((_, index, all) => drop(all, index));
    if (type === "ObjectExpression") {
      const properties = nodesOf(raw.properties);
      properties.forEach((_, index) => drop(properties, index));
      const of = parent === undefined ? "" : text(parent);
      // A request or property string that takes one parameter more, or anything for one it has.
      if (/^(?:params|keys):/.test(of)) {
        add({ start: node.start, end: node.start + 1, line: node.line }, `{ delete: ${ANYTHING}, `);
        for (const property of properties) loosen(property);
      }
    }
    if (type === "VariableDeclarator" && file.endsWith("catalogue.ts")) {
      const init = nodeOf(raw.init);
      if (init?.type === "ObjectExpression") nodesOf(init.raw.properties).forEach(loosen);
    }
    if (words) return;
    if (type === "NumericLiteral") {
      const value = Number(text(node).replaceAll("_", ""));
      add(node, String(value + 1));
      add(node, value === 0 ? "-1" : String(value - 1));
    }
    if (type === "BooleanLiteral") add(node, text(node) === "true" ? "false" : "true");
    if (type === "RegExpLiteral" && typeof raw.pattern === "string" && typeof raw.flags === "string") {
      const { pattern, flags } = raw;
      for (const other of regexMutants(pattern)) add(node, `/${other === "" ? "(?:)" : other}/${flags}`);
    }
    if (type === "StringLiteral" && typeof raw.value === "string" && parent?.type !== "TSLiteralType") {
      const isKey = parent?.type === "ObjectProperty" && nodeOf(parent.raw.key)?.start === node.start;
      const isRegex = /(?:values|devices)\.ts$/.test(file) && parent?.type === "VariableDeclarator";
      if (isRegex) { for (const other of regexMutants(raw.value)) add(node, JSON.stringify(other)); }
      else if (!isKey) add(node, raw.value === "" ? '"x"' : '""');
    }
    if (type === "TemplateLiteral") {
      const isRegex = parent?.type === "NewExpression" ||
        (/(?:values|devices)\.ts$/.test(file) && parent?.type === "VariableDeclarator");
      if (isRegex) templateRegex(node);
      else add(node, '""');
    }
  }

  function loosen(property: Node): void {
    const value = nodeOf(property.raw.value);
    if (value === undefined || value.type === "ObjectExpression") return;
    add(value, `Object.assign((value) => String(value), { says: (${text(value)}).says })`);
  }

  /** A regular expression that is put together: what is filled in counts as one letter. */
  function templateRegex(node: Node): void {
    const filled = nodesOf(node.raw.expressions).map(text);
    const quasis = nodesOf(node.raw.quasis).map((quasi) => String(record(quasi.raw.value).cooked));
    const pattern = quasis.map((quasi, index) => index === 0 ? quasi : String.fromCharCode(0xe000 + index - 1) + quasi)
      .join("");
    for (const other of regexMutants(pattern)) {
      const escaped = other.replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${");
      add(node, `\`${escaped.replace(/[\ue000-\ue0ff]/g, (c) => `\${${filled[c.charCodeAt(0) - 0xe000]}}`)}\``);
    }
  }

  function walk(node: Node, parent: Node | undefined, words: boolean): void {
    if (TYPES.test(node.type)) return;
    own(node, parent, words);
    const callee = nodeOf(node.raw.callee);
    const name = callee === undefined ? "" : text(callee);
    for (const [key, value] of Object.entries(node.raw)) {
      if (key === "typeAnnotation" || key === "typeParameters" || key === "returnType" || key === "loc") continue;
      nodesOf(value).forEach((child, index) => {
        const said = /^(?:Refusal|refuse|faults\.push)$/.test(name) && key === "arguments" ||
          name === "rule" && key === "arguments" && index === 0 ||
          /^(?:r\.)?matching$/.test(name) && key === "arguments" && index === 1 ||
          node.type === "ObjectProperty" && key === "value" && /^(?:says|reason|remedy|why)$/.test(keyOf(node)) ||
          node.type === "VariableDeclarator" && /Says$/.test(text(nodeOf(node.raw.id) ?? node));
        if (node.type === "ObjectProperty" && key === "key") return;
        walk(child, node, words || said);
      });
    }
  }

  function keyOf(property: Node): string {
    const key = nodeOf(property.raw.key);
    return key === undefined ? "" : text(key);
  }

  // What a function says in words is no part of the guarantee.
  const skipped = /^(?:sayProperties|wordsOf)$/;
  for (
    const statement of nodesOf(
      record(record(parse(source, { sourceType: "module", plugins: ["typescript"] })).program).body,
    )
  ) {
    const declared = nodeOf(statement.raw.declaration) ?? statement;
    const id = nodeOf(declared.raw.id);
    if (id !== undefined && skipped.test(text(id))) continue;
    walk(statement, undefined, false);
  }
  const unique = new Map(found.map((mutant) => [`${mutant.start} ${mutant.end} ${mutant.after}`, mutant]));
  return [...unique.values()].toSorted((a, b) => a.start - b.start);
}

const ANYTHING = 'Object.assign((value) => String(value), { says: "anything" })';

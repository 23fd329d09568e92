/** The rules that others are made of: at their limits, with every type of value, and frozen. */
import assert from "node:assert/strict";
import { Refusal } from "../../src/errors.ts";
import * as r from "../../src/safety/rules.ts";

function refuses(rule: r.Rule, ...values: readonly r.Scalar[]): void {
  for (const value of values) assert.throws(() => rule(value, "x"), Refusal, `${JSON.stringify(value)} got through`);
}

const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
  return assert.fail("nothing was refused");
};

Deno.test("rule() makes a rule that nobody can change", () => {
  const own = r.rule("anything", (value, name) => `${name}${value}`);
  assert.equal(own(1, "x"), "x1");
  assert.equal(own.says, "anything");
  assert.ok(Object.isFrozen(own));
  assert.throws(() => Object.assign(own, { says: "other" }), TypeError);
});

Deno.test("refuse() names the parameter and what was wrong, and cuts the value", () => {
  assert.equal(message(() => r.refuse("net0", "x\ny", "no")), 'Refused net0="x\\ny": no');
  assert.equal(message(() => r.refuse("n", 5, "no")), 'Refused n="5": no');
  assert.equal(message(() => r.refuse("n", "a".repeat(80), "no")), `Refused n="${"a".repeat(80)}": no`);
  assert.equal(message(() => r.refuse("n", "b".repeat(81), "no")), `Refused n="${"b".repeat(80)}…": no`);
});

Deno.test("flag", () => {
  for (const value of [true, 1, "1"]) assert.equal(r.flag(value, "x"), "1");
  for (const value of [false, 0, "0"]) assert.equal(r.flag(value, "x"), "0");
  refuses(r.flag, "", "true", "false", "yes", "no", "on", 2, -1, " 1", "1 ", "01", "00", Number.NaN, "\u0661");
});

Deno.test("only", () => {
  const one = r.only("1");
  for (const value of [true, 1, "1"]) assert.equal(one(value, "x"), "1");
  refuses(one, false, 0, "0", "", "11", " 1", "true");
  const zero = r.only("0");
  for (const value of [false, 0, "0"]) assert.equal(zero(value, "x"), "0");
  refuses(zero, true, 1, "1", "", "false");
});

Deno.test("integer", () => {
  const rule = r.integer(-5, 5000);
  for (
    const [value, sent] of [[-5, "-5"], ["-5", "-5"], [0, "0"], [5000, "5000"], ["5000", "5000"], ["07", "7"]] as const
  ) {
    assert.equal(rule(value, "x"), sent);
  }
  refuses(
    rule,
    -6,
    "-6",
    5001,
    "5001",
    1.5,
    "1.5",
    "1e2",
    "0x10",
    " 5",
    "5 ",
    "5\n",
    "\n5",
    "+5",
    "",
    "--5",
    true,
    false,
  );
  refuses(rule, Number.NaN, Infinity, -Infinity, "x", "5x", "x5", "0000000000000005", "５");
  assert.equal(rule("000000000000005", "x"), "5");
  const wide = r.integer(0, Number.MAX_SAFE_INTEGER);
  assert.equal(wide("123456789012345", "x"), "123456789012345");
  refuses(wide, "1234567890123456", "-1");
});

Deno.test("decimal", () => {
  const rule = r.decimal(1, 100_000);
  for (
    const [value, sent] of [[1, "1"], [100_000, "100000"], ["1.5", "1.5"], ["1.123456", "1.123456"], [
      "000000012",
      "12",
    ]] as const
  ) {
    assert.equal(rule(value, "x"), sent);
  }
  refuses(
    rule,
    0,
    0.999,
    100_000.1,
    "0",
    "100001",
    "1e2",
    "1.",
    ".5",
    "1.1234567",
    "0000000012",
    "-1",
    " 1",
    "1 ",
    "1,5",
    "",
    "1x5",
    "x1",
    "1.5x",
    true,
  );
  refuses(rule, Number.NaN, Infinity, "1.5.5", "1.x", "1.5 ", "1.e1", "1.\n5");
  refuses(r.decimal(0, 9), "", ".5", " ", "-0", 1e-7, Number.NaN);
});

Deno.test("oneOf", () => {
  const rule = r.oneOf("a", "b");
  assert.equal(rule("a", "x"), "a");
  assert.equal(rule("b", "x"), "b");
  refuses(rule, "", "c", "ab", "A", "a ", 0, true);
  refuses(r.oneOf("1", "true"), 1, true);
});

Deno.test("matching takes the whole text, and no more than its length", () => {
  const rule = r.matching(/a|bb*/, "a or b");
  for (const value of ["a", "b", "bbb"]) assert.equal(rule(value, "x"), value);
  refuses(rule, "ab", "ba", "aa", "xa", "ax", "a\n", "\na", "", "A", true);
  assert.equal(rule("b".repeat(255), "x").length, 255);
  refuses(rule, "b".repeat(256));
  assert.equal(r.matching(/b*/, "b", 3)("bbb", "x"), "bbb");
  refuses(r.matching(/b*/, "b", 3), "bbbb");
  assert.equal(r.matching(/A/i, "a")("a", "x"), "a");
  assert.equal(r.matching(/\d+/, "digits")(12, "x"), "12");
  refuses(r.matching(/true|false/, "words"), true, false);
});

Deno.test("text is free of control characters and lone surrogates", () => {
  const rule = r.text(300);
  for (const value of ["", "a\nb\tc", "ä€😀 ~", "x".repeat(300), "\u0080"]) assert.equal(rule(value, "x"), value);
  refuses(rule, "x".repeat(301), "\ud800", "a\udc00b", 5, true);
  for (let code = 0; code < 128; code++) {
    const value = `a${String.fromCharCode(code)}b`;
    if (code === 9 || code === 10 || (code >= 32 && code < 127)) assert.equal(rule(value, "x"), value);
    else refuses(rule, value);
  }
});

Deno.test("argument is any text that a program can be given", () => {
  const rule = r.argument(300);
  for (const value of ["", "a\nb\tc", "\u001b[1m", "ä€😀 ~", "x".repeat(300), "\u007f"]) {
    assert.equal(rule(value, "x"), value);
  }
  refuses(rule, "x".repeat(301), "\0", "a\0b", "\ud800", "a\udc00b", 5, true);
  assert.match(message(() => rule(5, "x")), /it must be text/);
  assert.match(message(() => rule("x".repeat(301), "x")), /it has more than 300 characters/);
});

Deno.test("ascii is ASCII to its last character, without NUL", () => {
  const rule = r.ascii(300);
  for (const value of ["", "a", "ab", "a\nb\tc", "\u0001\u007f", "x".repeat(300)]) {
    assert.equal(rule(value, "x"), value);
  }
  refuses(rule, "x".repeat(301), "\0", "a\0", "\u0080", "ä", "aä", "é\n", "😀", 5, true);
  for (let code = 1; code < 128; code++) {
    const value = `a${String.fromCharCode(code)}b`;
    assert.equal(rule(value, "x"), value);
  }
  assert.match(message(() => rule(5, "x")), /it must be text/);
});

Deno.test("secret is one line, and no refusal shows it", () => {
  const rule = r.secret(3, 10);
  for (const value of ["abc", "0123456789", "a b~ä"]) assert.equal(rule(value, "x"), value);
  refuses(rule, "ab", "01234567890", "", 12345, true, "abc\ud800");
  for (let code = 0; code < 32; code++) refuses(rule, `abc${String.fromCharCode(code)}d`);
  // What looks like a password's hash is one in all of it, as crypt(3) writes it.
  for (const hash of ["$6$", "$$$", "$=,.", "$a-z_A/9Z0"]) assert.equal(rule(hash, "x"), hash);
  assert.equal(r.secret(1, 9)("$", "x"), "$");
  refuses(rule, "$6 a", '$6"a', "$6$a b", "$6$a:", "$6$ä", "$ 6a", "$a{b}");
  assert.ok(!message(() => rule("hidden\nhidden", "x")).includes("hidden"));
  assert.ok(!message(() => rule("hidden hidden", "x")).includes("hidden"));
});

const format: r.PropertyFormat = {
  first: "file",
  keys: { file: r.matching(/[a-z~ ]+/, "letters", 2000), size: r.integer(1, 9), on: r.flag },
  required: ["file"],
};

Deno.test("a property string is taken apart, judged and rebuilt", () => {
  const rule = r.properties(format);
  assert.equal(rule("abc", "x"), "abc");
  assert.equal(rule("abc,size=5,on=1", "x"), "abc,size=5,on=1");
  assert.equal(rule("abc,on=0,size=9", "x"), "abc,on=0,size=9");
  const twice = message(() => rule("abc,size=5,size=6", "x"));
  assert.match(twice, /^Refused x="abc,size=5,size=6".*"size" stands in it twice/);
  assert.match(message(() => rule("file=abc", "x")), /write the file first and without "file="/);
  assert.match(message(() => rule("abc,file=abd", "x")), /write the file first/);
  assert.match(message(() => rule("abc,size=0", "x")), /Refused x\.size="0"/);
  assert.match(message(() => rule("abc,more=1", "x")), /"more" is not allowed in it; allowed are file, size, on/);
  assert.match(message(() => rule("size=5", "x")), /it needs file/);
  assert.match(message(() => rule("abc,size", "x")), /"size" is not of the form key=value/);
  refuses(
    rule,
    "",
    ",",
    "abc,",
    ",abc",
    "abc,,size=5",
    "abc,abc",
    "abc,size=5=5",
    "abc,size =5",
    "abc, size=5",
    "abc,SIZE=5",
  );
  for (const key of ["constructor", "__proto__", "toString", "hasOwnProperty", ""]) refuses(rule, `abc,${key}=1`);
});

/** A property string that may be anything. */
const any = r.properties({ first: "v", keys: { v: r.matching(/[^]*/, "anything") } });

Deno.test("a property string is short, printable ASCII", () => {
  const rule = r.properties(format);
  assert.equal(rule("a".repeat(1024), "x").length, 1024);
  assert.match(message(() => rule("a".repeat(1025), "x")), /at most 1024 printable ASCII/);
  assert.equal(rule("a ~", "x"), "a ~");
  assert.equal(any("", "x"), "");
  refuses(any, "=1", "=", "v=1");
  for (let code = 0; code < 300; code++) {
    const value = `a${String.fromCharCode(code)}b`;
    if (code === 44) continue;
    if (code === 61) refuses(any, value);
    else if (code >= 32 && code < 127) assert.equal(any(value, "x"), value);
    else refuses(any, value);
  }
});

Deno.test("a property string may be a number or a boolean", () => {
  const rule = r.properties({ first: "on", keys: { on: r.flag, kind: r.oneOf("a") } });
  assert.equal(rule(true, "x"), "1");
  assert.equal(rule(false, "x"), "0");
  assert.equal(rule(1, "x"), "1");
  for (const value of [[], {}, null, undefined, Symbol("x")]) {
    assert.throws(() => Reflect.apply(rule, undefined, [value, "x"]), Refusal);
    assert.throws(() => Reflect.apply(any, undefined, [value, "x"]), Refusal);
  }
});

Deno.test("a property string without a first value has names only", () => {
  const rule = r.properties({ keys: { a: r.flag, b: r.flag } });
  assert.equal(rule("b=1,a=0", "x"), "b=1,a=0");
  refuses(rule, "1", "a", "a=1,1", "", "=1");
  refuses(r.properties({ keys: { a: r.matching(/ab/, "ab") } }), "ab");
});

Deno.test("what is added to a property string is there once", () => {
  const rule = r.properties({ ...format, added: { on: "1" } });
  assert.equal(rule("abc", "x"), "abc,on=1");
  assert.equal(rule("abc,on=0", "x"), "abc,on=0");
  assert.equal(r.buildProperties(new Map([["a", "1"], ["b", "2"]]), "b"), "2,a=1");
  assert.equal(r.buildProperties(new Map([["a", "1"], ["b", "2"]])), "a=1,b=2");
  assert.equal(r.buildProperties(new Map([["a", "1"]]), "b"), "a=1");
});

Deno.test("rules say what they accept", () => {
  assert.equal(r.flag.says, "true or false");
  assert.equal(r.only("1").says, "only 1");
  assert.equal(r.integer(1, 9).says, "1 to 9");
  assert.equal(r.decimal(1, 9).says, "1 to 9, with decimals");
  assert.equal(r.oneOf("a", "b", "c").says, "a, b or c");
  assert.equal(r.oneOf("a").says, "a");
  assert.equal(r.matching(/a/, "an a").says, "an a");
  assert.equal(r.text(9).says, "text of at most 9 characters");
  assert.equal(r.secret(1, 9).says, "a secret: one line of 1 to 9 characters");
  assert.equal(r.properties(format).says, "letters; with size (1 to 9), on");
  assert.equal(
    r.properties({ keys: { a: r.flag, b: r.only("1") }, required: ["a"], added: { b: "1" } }).says,
    "of a (required), b (only 1; always sent)",
  );
});

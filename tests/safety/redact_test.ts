/** Secrets are found by the names of their arguments and taken out of every text, however they are encoded there. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { HIDDEN, redacted, redactor, secretsIn } from "../../src/safety/redact.ts";

const PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@pve.lan";
const PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----";

Deno.test("secretsIn finds the values of secret arguments at every depth, and nothing else", () => {
  const found = secretsIn({
    vmid: 102,
    password: "a-password",
    config: { cipassword: 12345678, name: "web", nested: [{ passphrase: "deep" }], token: ["one", "two"] },
    unprivileged: true,
    sshkeys: PUBLIC,
    ssh_public_keys: `# mine\n\n${PUBLIC}\n`,
  });
  assert.deepEqual(found, ["a-password", "12345678", "deep", "one", "two"]);
  for (const name of ["password", "cipassword", "passphrase", "passwd", "token_value", "secret", "PRIVATE_KEY"]) {
    assert.deepEqual(secretsIn({ [name]: "x" }), ["x"], name);
  }
  assert.deepEqual(secretsIn({ config: null, list: [1, "x"], password: true, none: undefined }), []);
  assert.deepEqual(secretsIn({ token: { id: "a", more: { value: "b" } } }), ["a", "b"]);
  for (const value of ["text", 5, undefined, null]) assert.deepEqual(secretsIn(value), []);
});

Deno.test("what a tool has left out already is no secret, and nothing else passes for it", () => {
  assert.equal(HIDDEN, "(not shown)");
  for (const said of [HIDDEN, "(set, not shown)"]) assert.deepEqual(secretsIn({ password: said }), []);
  for (const secret of ["a(not shown)", "(not shown)a", "(9 not shown)", "(A not shown)", "not shown", "()"]) {
    assert.deepEqual(secretsIn({ password: secret }), [secret]);
    assert.deepEqual(redacted({ password: secret }, (text) => text), { password: HIDDEN });
  }
});

Deno.test("what stands among public keys and is none is a secret", () => {
  for (const name of ["sshkeys", "ssh_public_keys", "ssh-public-keys"]) {
    assert.deepEqual(secretsIn({ [name]: PRIVATE }), [PRIVATE]);
    assert.deepEqual(secretsIn({ [name]: "b3BlbnNzaC1rZXk" }), ["b3BlbnNzaC1rZXk"]);
    assert.deepEqual(secretsIn({ [name]: `${PUBLIC}\r\n${PUBLIC}` }), []);
  }
  for (const name of ["description", "xsshkeys", "sshkeysx", "ssh.public_keys", "ssh_public.keys"]) {
    assert.deepEqual(secretsIn({ [name]: "b3BlbnNzaC1rZXk" }), []);
  }
  assert.deepEqual(secretsIn({ sshkeys: [PUBLIC, PRIVATE] }), [PRIVATE]);
});

Deno.test("a line is a public key if it names its kind and holds base64, and a comment at most", () => {
  const keys = [
    "#",
    "# mine!",
    "ssh-rsa AAAAB3+/9z==",
    "ssh-rsa A",
    "ssh-x A",
    "ssh-ed-25519 A me@pve.lan (old) #1",
    "ecdsa-sha2-nistp256 AAAA me",
    "ecdsa-sha2-n A",
    "ecdsa-sha2-a-1 A",
    "sk-ssh-ed25519@openssh.com AAAA",
    "sk-ecdsa-sha2-nistp256@openssh.com AAAA me",
    "sk-a A",
    "  ssh-rsa A  ",
  ];
  for (const key of keys) assert.deepEqual(secretsIn({ sshkeys: `${PUBLIC}\n${key}\r\n\r\n` }), [], key);
  const others = [
    "ssh- A",
    "ssh-RSA A",
    "ssh-! A",
    "xssh-rsa A",
    "ssh-rsa",
    "ssh-rsa  A",
    "ssh-rsa A!",
    "ssh-rsa !",
    "ecdsa-sha2- A",
    "ecdsa-sha2-! A",
    "sk- A",
    "sk-! A",
    "pgp A",
    "x # mine",
  ];
  for (const other of others) assert.equal(secretsIn({ sshkeys: `${PUBLIC}\n${other}\n` }).length, 1, other);
});

Deno.test("a redactor takes a secret out of any text, also as JSON, URL-encoded, cut, or line by line", () => {
  const secret = `quote"back\\slash ä/${"long".repeat(30)}`;
  const redact = redactor([secret, `first line of it\nsecond line of it`]);
  assert.equal(redact(`a ${secret} b ${secret}`), `a ${HIDDEN} b ${HIDDEN}`);
  assert.equal(redact(JSON.stringify({ x: secret })), `{"x":"${HIDDEN}"}`);
  assert.equal(redact(`x=${encodeURIComponent(secret)}&y`), `x=${HIDDEN}&y`);
  assert.equal(redact(`Refused x=${JSON.stringify(secret.slice(0, 80))}…`), `Refused x="${HIDDEN}"…`);
  assert.equal(redact("the second line of it."), `the ${HIDDEN}.`);
  const lines = "ab\n".repeat(40);
  assert.equal(redactor([lines])(`x ${lines.trim()} y`), `x ${HIDDEN} y`);
});

Deno.test("a redactor leaves no secret of five characters and more in any text", () => {
  const secret = fc.string({ minLength: 5, maxLength: 40 }).filter((text) =>
    text.trim().length >= 5 && !HIDDEN.includes(text.trim())
  );
  fc.assert(fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.string(), (secrets, around) => {
    const clean = redactor(secrets)(secrets.map((text) => `${around}\u0000${text}\u0000`).join(""));
    // What is left may hold another one by chance of its surroundings only.
    for (const text of secrets) assert.ok(!clean.includes(`\u0000${text}\u0000`), JSON.stringify({ text, clean }));
  }));
});

Deno.test("words that are too short to be secrets stay", () => {
  assert.equal(redactor(["root", "abc", "", "    "])("root abc"), "root abc");
  assert.equal(redactor(["12345"])("a 12345 b"), `a ${HIDDEN} b`);
});

Deno.test("a longer secret goes before one that is a part of it", () => {
  assert.equal(redactor(["secret", "secret-of-mine"])("x secret-of-mine secret"), `x ${HIDDEN} ${HIDDEN}`);
});

Deno.test("private keys are taken out everywhere, whole or cut off", () => {
  const redact = redactor([]);
  assert.equal(redact(`a ${PRIVATE} b`), `a ${HIDDEN} b`);
  assert.equal(redact(`a ${PRIVATE.slice(0, 60)}`), `a ${HIDDEN}`);
  assert.equal(redact(`${PRIVATE}\n${PUBLIC}\n${PRIVATE}`), `${HIDDEN}\n${PUBLIC}\n${HIDDEN}`);
  assert.equal(redact("-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----."), `${HIDDEN}.`);
  for (const kind of ["PRIVATE KEY", "EC PRIVATE KEY", "X9 PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]) {
    assert.equal(redact(`a -----BEGIN ${kind}-----\nb3Bl\n-----END ${kind}-----.`), `a ${HIDDEN}.`);
    assert.equal(redact(`a -----BEGIN ${kind}----------END ${kind}-----.`), `a ${HIDDEN}.`);
    assert.equal(redact(`a -----BEGIN ${kind}-----`), `a ${HIDDEN}`);
  }
  assert.equal(redact("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----").length, 55);
});

Deno.test("redacted hides secret names and redacts all texts, and leaves the rest as it is", () => {
  const value = {
    vmid: 102,
    password: "short",
    pin: { passphrase: 1234, on: true, none: null },
    list: ["my marker here", 5],
    sshkeys: PUBLIC,
    "marker-key": PRIVATE,
    cipassword: "(set, not shown)",
    unprivileged_token: true,
    secret: null,
  };
  assert.deepEqual(redacted(value, (text) => text.replace("marker", "*")), {
    vmid: 102,
    password: HIDDEN,
    pin: { passphrase: HIDDEN, on: true, none: null },
    list: ["my * here", 5],
    sshkeys: PUBLIC,
    "*-key": PRIVATE,
    cipassword: "(set, not shown)",
    unprivileged_token: true,
    secret: null,
  });
});

Deno.test("a field called __proto__ is redacted, and stays a field", () => {
  const answer: unknown = JSON.parse('{"__proto__": {"password": "a-password"}, "node": "a-password"}');
  const shown = redacted(answer, redactor(["a-password"]));
  assert.equal(JSON.stringify(shown), `{"__proto__":{"password":"${HIDDEN}"},"node":"${HIDDEN}"}`);
});

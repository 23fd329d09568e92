/** Users and tokens: every form that is accepted, and the ones that are not. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseTokenName, parseUser } from "../../src/config/identity.ts";
import { UsageError } from "../../src/errors.ts";

Deno.test("parseUser reads a user, and the token's name where it is there", () => {
  assert.deepEqual(parseUser("agent@pve"), { user: "agent@pve", token: undefined });
  assert.deepEqual(parseUser("agent@pve!mcp"), { user: "agent@pve", token: "mcp" });
  assert.deepEqual(parseUser("a@b.example@ldap!mcp-1"), { user: "a@b.example@ldap", token: "mcp-1" });
});

Deno.test("parseUser refuses a user without a realm and names agent@pve", () => {
  for (const value of ["agent", "agent!mcp"]) {
    assert.throws(() => parseUser(value), { name: "UsageError", message: /no realm/, remedy: /agent@pve/ });
  }
});

Deno.test("parseUser refuses what is no user of PVE", () => {
  for (
    const value of ["@pve", "agent@", "a b@pve", "a:b@pve", "a/b@pve", "agent@p ve", "agent@pve!", "agént@pve", "a@1"]
  ) {
    assert.throws(() => parseUser(value), UsageError, value);
  }
});

Deno.test("parseUser refuses a secret behind the token id and does not show it", () => {
  assert.throws(() => parseUser("agent@pve!mcp=hunter2"), (error) => {
    assert.ok(error instanceof UsageError);
    assert.doesNotMatch(`${error.message} ${error.remedy}`, /hunter2/);
    return true;
  });
});

Deno.test("parseTokenName refuses a whole token id, and a secret without showing it", () => {
  assert.throws(() => parseTokenName("PROXMOX_TOKEN_NAME", "agent@pve!mcp"), { remedy: /between ! and =/ });
  const secret = "a0000000-1111-2222-3333-444444444444";
  assert.throws(() => parseTokenName("PROXMOX_TOKEN_NAME", secret), (error) => !String(error).includes(secret));
});

Deno.test("parseUser accepts only what joins again to the same value, fit for a header", () => {
  const pieces = fc.array(fc.constantFrom(..."ab1@!.-_ :/=\n\0é".split(""), "pve", "@pve"), { maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(fc.string(), pieces.map((parts) => parts.join(""))), (value) => {
      let identity;
      try {
        identity = parseUser(value);
      } catch (error) {
        assert.ok(error instanceof UsageError);
        return;
      }
      assert.equal(identity.token === undefined ? identity.user : `${identity.user}!${identity.token}`, value);
      assert.match(value, /^[!-~]+$/);
      assert.doesNotMatch(value, /[=:/]/);
    }),
    { numRuns: 2000 },
  );
});

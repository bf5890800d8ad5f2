import { type Context, Hono } from "hono";
import { badParam, ClerkFailure, notFound } from "../world/failure.js";
import { makeEmail, makePhone } from "../world/identifiers.js";
import { emailParam, phoneParam, textParam } from "../world/params.js";
import { type Store, secretsOf, userOf } from "../world/store.js";
import type { User } from "../world/types.js";
import type { Users } from "../world/users.js";
import { jsonBody, queryOf, type SandboxEnv } from "./http.js";

/** Operations on one user whose answer isn't the user: passwords, second factors, tokens, and deleting a part of a user. */
export function credentialsApi({ store, users }: { store: Store; users: Users }): Hono<SandboxEnv> {
  const user = (c: Context<SandboxEnv>) => userOf(store, c.req.param("id") ?? "");

  function withoutSecondFactor(one: User): void {
    const hasAny = one.totp_enabled || one.backup_code_enabled;
    one.two_factor_enabled = one.totp_enabled;
    if (!hasAny) one.mfa_disabled_at = store.clock.now();
    users.touch(one);
  }

  /** Removes one part of a user by its id. */
  function removePart(c: Context<SandboxEnv>, field: "passkeys" | "web3_wallets" | "external_accounts") {
    const one = user(c);
    const id = c.req.param("part") ?? "";
    const list: { id: string }[] = one[field];
    const at = list.findIndex((part) => part.id === id);
    if (at === -1) throw notFound(field.replace(/s$/, ""), id);
    list.splice(at, 1);
    if (one.primary_web3_wallet_id === id) one.primary_web3_wallet_id = null;
    users.touch(one);
    return c.json({ object: field.replace(/s$/, ""), id, deleted: true });
  }

  return new Hono<SandboxEnv>()
    .post("/users/:id/verify_password", async (c) => {
      const { password } = secretsOf(store, user(c).id);
      const given = textParam(await jsonBody(c), "password");
      if (!given) throw badParam("password", "form_param_missing", "password must be included.");
      if (password === null) {
        throw new ClerkFailure(400, "no_password_set", "No password set", "The user has no password.");
      }
      if (given === password) return c.json({ verified: true });
      throw new ClerkFailure(422, "incorrect_password", "Incorrect password", "The password is incorrect.");
    })
    .post("/users/:id/verify_totp", async (c) => {
      const one = user(c);
      const secrets = secretsOf(store, one.id);
      const code = textParam(await jsonBody(c), "code");
      if (!code) throw badParam("code", "form_param_missing", "code must be included.");
      if (secrets.totp === null)
        throw new ClerkFailure(400, "totp_disabled", "TOTP disabled", "The user has no TOTP.");
      const backup = secrets.backupCodes.indexOf(code);
      if (backup !== -1) {
        secrets.backupCodes.splice(backup, 1);
        one.backup_code_enabled = secrets.backupCodes.length > 0;
        users.touch(one);
        return c.json({ verified: true, code_type: "backup_code" });
      }
      if (!/^\d{6}$/.test(code)) {
        throw new ClerkFailure(422, "totp_invalid_length", "Invalid length", "TOTP codes have 6 digits.");
      }
      // Simpler than a real authenticator: the code is the last six digits in the secret, or 424242.
      if (code === (secrets.totp.replace(/\D/g, "").slice(-6) || "424242") || code === "424242") {
        return c.json({ verified: true, code_type: "totp" });
      }
      throw new ClerkFailure(422, "totp_incorrect_code", "Incorrect code", "The code is incorrect.");
    })
    .delete("/users/:id/mfa", (c) => {
      const one = user(c);
      Object.assign(secretsOf(store, one.id), { totp: null, backupCodes: [] });
      Object.assign(one, { totp_enabled: false, backup_code_enabled: false });
      withoutSecondFactor(one);
      return c.json({ user_id: one.id });
    })
    .delete("/users/:id/totp", (c) => {
      const one = user(c);
      secretsOf(store, one.id).totp = null;
      one.totp_enabled = false;
      withoutSecondFactor(one);
      return c.json({ user_id: one.id });
    })
    .delete("/users/:id/backup_code", (c) => {
      const one = user(c);
      secretsOf(store, one.id).backupCodes = [];
      one.backup_code_enabled = false;
      withoutSecondFactor(one);
      return c.json({ user_id: one.id });
    })
    .get("/users/:id/oauth_access_tokens/:provider", (c) => {
      const one = user(c);
      const provider = c.req.param("provider");
      const accounts = one.external_accounts.filter((account) => account.provider === provider);
      if (accounts.length === 0) {
        throw new ClerkFailure(
          404,
          "external_account_not_found",
          "not found",
          `The user has no account at ${provider}.`,
        );
      }
      const tokens = accounts.map((account) => ({
        object: "oauth_access_token",
        external_account_id: account.id,
        provider_user_id: account.provider_user_id,
        token: `token-of-${account.id}`,
        expires_at: null,
        provider,
        public_metadata: {},
        label: null,
        scopes: ["email", "profile"],
      }));
      return c.json(
        queryOf(c).get("paginated") === "true" ? { data: tokens, total_count: tokens.length } : tokens,
      );
    })
    .put("/users/:id/email_address", async (c) => {
      const one = user(c);
      const address = emailParam(textParam(await jsonBody(c), "email_address") ?? "");
      const email = makeEmail(store.random, address, store.clock.now());
      one.email_addresses = [email];
      one.primary_email_address_id = email.id;
      users.touch(one);
      return c.json(email);
    })
    .put("/users/:id/phone_number", async (c) => {
      const one = user(c);
      const number = phoneParam(textParam(await jsonBody(c), "phone_number") ?? "");
      const phone = makePhone(store.random, number, store.clock.now());
      one.phone_numbers = [phone];
      one.primary_phone_number_id = phone.id;
      users.touch(one);
      return c.json(phone);
    })
    .delete("/users/:id/passkeys/:part", (c) => removePart(c, "passkeys"))
    .delete("/users/:id/web3_wallets/:part", (c) => removePart(c, "web3_wallets"))
    .delete("/users/:id/external_accounts/:part", (c) => removePart(c, "external_accounts"))
    .get("/users/:id/organization_invitations", (c) => {
      user(c);
      return c.json({ data: [], total_count: 0 });
    })
    .get("/users/:id/trusted_devices", (c) => {
      user(c);
      return c.json({ data: [], total_count: 0 });
    });
}

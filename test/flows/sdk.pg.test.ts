// Covers src/http/routes/{users,forward}.ts, src/sync/answers/write-through.ts

import { createClerkClient } from "@clerk/backend";
import { isClerkAPIResponseError } from "@clerk/backend/errors";
import { afterAll, beforeAll, describe, expect } from "vitest";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase, test } from "../support/database.js";
import { startMirror, withoutCountdowns } from "../support/mirror.js";

type Clerk = ReturnType<typeof createClerkClient>;

const SAME = { users: 300, organizations: 6, seed: 5, clockMs: 1_750_000_000_000, loneSurrogates: true };
const PNG = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

let behindMirror: Sandbox;
let direct: Sandbox;
let database: OwnDatabase;
let server: RunningServer;
let mirrored: Clerk;
let clerk: Clerk;

beforeAll(async () => {
  [behindMirror, direct] = await Promise.all([startSandbox(SAME), startSandbox(SAME)]);
  database = await freshDatabase();
  server = await startMirror({ sandbox: behindMirror, databaseUrl: database.url });
  mirrored = createClerkClient({ secretKey: behindMirror.secretKey, apiUrl: server.url });
  clerk = createClerkClient({ secretKey: direct.secretKey, apiUrl: direct.url });
});
afterAll(async () => {
  await server.stop();
  await Promise.all([behindMirror.close(), direct.close()]);
  await database.drop();
});

/** The same call through the mirror and straight to a sandbox like the one behind it. */
async function both<T>(call: (client: Clerk) => Promise<T>): Promise<T> {
  const [ours, theirs] = await Promise.all([call(mirrored), call(clerk)]);
  expect(withoutCountdowns(ours)).toEqual(withoutCountdowns(theirs));
  return ours;
}

/** The same for a call that is refused. */
async function bothRefuse(call: (client: Clerk) => Promise<unknown>) {
  const failures = await Promise.all(
    [mirrored, clerk].map((client) =>
      call(client).then(
        () => null,
        (error: unknown) => error,
      ),
    ),
  );
  const [ours, theirs] = failures.map((error) => {
    if (!isClerkAPIResponseError(error)) throw error;
    expect(error.clerkTraceId).toBeTruthy();
    return { status: error.status, errors: error.errors };
  });
  expect(ours).toEqual(theirs);
  return ours;
}

describe("the official SDK through the mirror", () => {
  test("lists, counts and gets what Clerk answers", async () => {
    const first = await both((client) => client.users.getUserList({ limit: 100 }));
    expect(first.totalCount).toBe(300);
    for (const orderBy of [
      "+created_at",
      "-updated_at",
      "+email_address",
      "-first_name",
      "+last_sign_in_at",
    ] as const) {
      await both((client) => client.users.getUserList({ limit: 50, offset: 20, orderBy }));
    }
    await both((client) => client.users.getUserList({ query: "ann", limit: 100 }));
    await both((client) =>
      client.users.getUserList({ emailAddress: [first.data[0]?.emailAddresses[0]?.emailAddress ?? ""] }),
    );
    await both((client) => client.users.getCount({ query: "a" }));
    for (const { id } of first.data.slice(0, 20)) await both((client) => client.users.getUser(id));
  });

  test("lists the memberships of users and organizations", async () => {
    const organizations = await both((client) => client.organizations.getOrganizationList({ limit: 10 }));
    const organizationId = organizations.data[0]?.id ?? "";
    const members = await both((client) =>
      client.organizations.getOrganizationMembershipList({ organizationId }),
    );
    const userId = members.data[0]?.publicUserData?.userId ?? "";
    const own = await both((client) => client.users.getOrganizationMembershipList({ userId }));
    expect(own.data.length).toBeGreaterThan(0);
    await both((client) => client.users.getUserList({ organizationId: [organizationId], limit: 100 }));
  });

  test("every write answers as Clerk does and is readable at once", async () => {
    const created = await both((client) =>
      client.users.createUser({
        emailAddress: ["written@example.com"],
        firstName: "Written",
        password: "long enough",
        publicMetadata: { plan: "free", nested: { a: 1, b: 2 } },
        privateMetadata: { secret: "\u0000" },
      }),
    );
    const { id } = created;
    const writes: ((client: Clerk) => Promise<unknown>)[] = [
      (client) => client.users.updateUser(id, { lastName: "Twice", externalId: "ext-written" }),
      (client) => client.users.updateUserMetadata(id, { publicMetadata: { nested: { b: null, c: 3 } } }),
      (client) => client.users.replaceUserMetadata(id, { unsafeMetadata: { whole: true } }),
      (client) => client.users.banUser(id),
      (client) => client.users.unbanUser(id),
      (client) => client.users.lockUser(id),
      (client) => client.users.unlockUser(id),
      (client) => client.users.updateUserProfileImage(id, { file: new Blob([PNG], { type: "image/png" }) }),
      (client) => client.users.deleteUserProfileImage(id),
      (client) => client.users.verifyPassword({ userId: id, password: "long enough" }),
      (client) => client.users.updateUser(id, { totpSecret: "secret123456", backupCodes: ["one", "two"] }),
      (client) => client.users.verifyTOTP({ userId: id, code: "one" }),
      (client) => client.users.disableUserMFA(id),
    ];
    for (const write of writes) {
      await both(write);
      const read = await both((client) => client.users.getUser(id));
      expect(withoutCountdowns(read.raw)).toEqual(withoutCountdowns(behindMirror.clerk.user(id)));
    }
    await both((client) => client.users.getUserList({ externalId: ["ext-written"] }));
    await both((client) => client.users.deleteUser(id));
    await bothRefuse((client) => client.users.getUser(id));
    await both((client) => client.users.getCount());
  });

  test("organizations and memberships that are written are readable at once", async () => {
    const user = await both((client) => client.users.createUser({ emailAddress: ["member@example.com"] }));
    const organization = await both((client) =>
      client.organizations.createOrganization({ name: "Written Inc" }),
    );
    const membership = { organizationId: organization.id, userId: user.id };
    const list = () => both((client) => client.users.getOrganizationMembershipList({ userId: user.id }));
    await both((client) =>
      client.organizations.createOrganizationMembership({ ...membership, role: "org:member" }),
    );
    expect((await list()).totalCount).toBe(1);
    await both((client) =>
      client.organizations.updateOrganizationMembership({ ...membership, role: "org:admin" }),
    );
    await list();
    await both((client) => client.organizations.updateOrganization(organization.id, { name: "Renamed Inc" }));
    await list();
    await both((client) => client.organizations.deleteOrganizationMembership(membership));
    expect((await list()).totalCount).toBe(0);
    await both((client) =>
      client.organizations.createOrganizationMembership({ ...membership, role: "org:member" }),
    );
    await both((client) => client.organizations.deleteOrganization(organization.id));
    expect((await list()).totalCount).toBe(0);
  });

  test("what belongs to a user is changed and read back: identifiers, factors, accounts, tokens", async () => {
    const someoneWith = (list: string) => {
      const found = behindMirror.clerk.users().find((user) => (user[list] as unknown[]).length > 0);
      if (!found) throw new Error(`nobody has ${list}`);
      return { id: String(found.id), part: (found[list] as { id: string; provider?: string }[])[0] };
    };
    const account = someoneWith("external_accounts");
    const wallet = someoneWith("web3_wallets");
    const provider = (account.part?.provider ?? "").replace("oauth_", "") as "google";
    const tokens = await both((client) => client.users.getUserOauthAccessToken(account.id, provider));
    expect(tokens.data[0]?.token).toBeTruthy();
    const stored = await server.mirror.store.database.primary.sql`
      select from mirror_data.users where payload like ${`%${tokens.data[0]?.token}%`}`;
    expect(stored).toHaveLength(0);

    const read = async (id: string) => {
      const user = await both((client) => client.users.getUser(id));
      expect(withoutCountdowns(user.raw)).toEqual(withoutCountdowns(behindMirror.clerk.user(id)));
      return user;
    };
    await both((client) =>
      client.users.deleteUserExternalAccount({
        userId: account.id,
        externalAccountId: account.part?.id ?? "",
      }),
    );
    expect((await read(account.id)).externalAccounts.map(({ id }) => id)).not.toContain(account.part?.id);
    await both((client) =>
      client.users.deleteUserWeb3Wallet({
        userId: wallet.id,
        web3WalletIdentificationId: wallet.part?.id ?? "",
      }),
    );
    expect((await read(wallet.id)).web3Wallets.map(({ id }) => id)).not.toContain(wallet.part?.id);

    const { id } = await both((client) =>
      client.users.createUser({
        ...{ emailAddress: ["factors@example.com"], password: "long enough" },
        ...{ totpSecret: "secret123456", backupCodes: ["one", "two"] },
      }),
    );
    expect((await read(id)).twoFactorEnabled).toBe(true);
    await both((client) => client.users.deleteUserBackupCodes(id));
    expect((await read(id)).backupCodeEnabled).toBe(false);
    await both((client) => client.users.deleteUserTOTP(id));
    expect((await read(id)).totpEnabled).toBe(false);
  });

  test.each([
    ["PUT", "/email_address", { email_address: "put@example.com" }],
    ["PUT", "/phone_number", { phone_number: "+15555550123" }],
    ["POST", "/remove_password", undefined],
    ["POST", "/password/set_compromised", undefined],
    ["POST", "/password/unset_compromised", undefined],
  ])("%s …%s, which the SDK has no method for, is read back too", async (method, path, body) => {
    const { id } = await both((client) =>
      client.users.createUser({ emailAddress: [`raw${path.length}@example.com`], password: "long enough" }),
    );
    const send = (url: string) =>
      fetch(`${url}/v1/users/${id}${path}`, {
        method,
        headers: { Authorization: "Bearer sk_test_sandbox", "Content-Type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      });
    const [ours, theirs] = await Promise.all([send(server.url), send(direct.url)]);
    expect([ours.status, await ours.json()]).toEqual([200, await theirs.json()]);
    const user = await both((client) => client.users.getUser(id));
    expect(user.raw).toEqual(behindMirror.clerk.user(id));
  });

  test("many are banned and unbanned at once", async () => {
    const ids = behindMirror.clerk
      .users()
      .slice(0, 30)
      .map((user) => user.id);
    for (const verb of ["ban", "unban"]) {
      const send = (url: string) =>
        fetch(`${url}/v1/users/${verb}`, {
          method: "POST",
          headers: { Authorization: "Bearer sk_test_sandbox", "Content-Type": "application/json" },
          body: JSON.stringify({ user_ids: ids }),
        });
      const [ours, theirs] = await Promise.all([send(server.url), send(direct.url)]);
      expect(ours.headers.get("x-mirror-version")).toMatch(/^[0-9A-F]+-/);
      expect(withoutCountdowns(await ours.json())).toEqual(withoutCountdowns(await theirs.json()));
      await both((client) => client.users.getUserList({ limit: 100, orderBy: "-updated_at" }));
    }
  });

  test("is refused as Clerk refuses", async () => {
    await bothRefuse((client) => client.users.getUser("user_nobody"));
    await bothRefuse((client) => client.users.updateUser("user_nobody", { firstName: "x" }));
    await bothRefuse((client) => client.users.createUser({ password: "short" }));
    await bothRefuse((client) => client.users.deleteUser("user_nobody"));
    await bothRefuse((client) => client.users.getOrganizationMembershipList({ userId: "user_nobody" }));
  });

  test("keys that Clerk would verify tokens with come through", async () => {
    const keys = (url: string) =>
      fetch(`${url}/v1/jwks`, { headers: { Authorization: "Bearer sk_test_sandbox" } });
    const [ours, theirs] = await Promise.all([keys(server.url), keys(direct.url)]);
    expect([ours.status, await ours.json()]).toEqual([theirs.status, await theirs.json()]);
  });
});

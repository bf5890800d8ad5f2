import { expect, test } from "vitest";
import { EVERYBODY, START } from "../../../src/sync/ledger/windows.js";
import { userPages } from "../../../src/sync/reconcile/clerk-pages.js";
import type { ClerkReader } from "../../../src/sync/reconcile/clerk-reader.js";

test("a full page in which nobody has an id ends the walk, because no cursor leads on from it", async () => {
  let asked = 0;
  const clerk = {
    longestUserPage: () => 500,
    async listUsers() {
      asked++;
      return { items: Array.from({ length: 500 }, () => ({ id: 7 })), totalCount: null, startedAtMs: 0 };
    },
  } as unknown as ClerkReader;
  const walk = async () => {
    for await (const page of userPages(clerk, EVERYBODY, START)) expect(page.items).toHaveLength(500);
  };
  await expect(walk()).rejects.toMatchObject({ code: "upstream_unavailable" });
  expect(asked).toBe(1);
});

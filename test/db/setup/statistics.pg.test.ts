import { expect } from "vitest";
import { keepPlansFit } from "../../../src/db/setup/statistics.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";

test("statements that were planned while the tables were empty are planned anew once they are loaded", async ({
  db,
}) => {
  const session = await db.sql.reserve();
  // What a mirror that was emptied leaves behind: tables known to be small.
  await db.sql.unsafe("vacuum analyze mirror_data.users, mirror_data.user_activity");
  await session.unsafe(`set plan_cache_mode = force_generic_plan;
    prepare by_id (text[]) as select u.id from mirror_data.users u
      left join mirror_data.user_activity a using (id) where u.id = any($1)`);
  const plan = async () => {
    const rows = await session.unsafe("explain execute by_id('{user_1}')");
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  };
  await plan();
  const users = Array.from({ length: 3000 }, (_, n) =>
    userSnapshot(clerkUser({ id: `user_${String(n).padStart(5, "0")}` }), "page", 1),
  );
  await applyItems(db.sql, [{ users }], { lagMs: 0 });
  expect(await plan()).toContain("Seq Scan on users");
  await keepPlansFit(db.sql);
  const planned = await plan();
  expect(planned).not.toContain("Seq Scan");
  expect(planned).toContain("users_pkey");
  session.release();
});

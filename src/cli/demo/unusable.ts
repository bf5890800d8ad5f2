import { z } from "zod";
import type { SandboxProcess } from "./sandbox-process.js";

const users = z.array(z.object({ id: z.string() }));

/**
 * Lets Clerk send what can't be applied, for people to look at: webhooks that lack what their types need, and one answer. The
 * users that they name are asked of Clerk, so that the mirror stays right. The answer is whole when it is asked for again, so
 * that its letter can be replayed.
 */
export async function sendUnusable(sandbox: Pick<SandboxProcess, "control" | "ask">): Promise<void> {
  const found = users.parse(await sandbox.ask("/users?limit=3&order_by=-created_at"));
  const [cut] = found;
  if (cut) {
    await sandbox.control("POST", "faults", {
      ...{ match: `^GET /v1/users/${cut.id}$`, times: 1, status: 200 },
      body: { object: "user", id: cut.id, first_name: "Half of an answer" },
    });
  }
  for (const { id } of found) {
    await sandbox.control("POST", "message", { type: "user.updated", data: { object: "user", id } });
  }
  const membership = { object: "organization_membership", id: "orgmem_of_nobody", role: "org:member" };
  await sandbox.control("POST", "message", { type: "organizationMembership.created", data: membership });
}

import { type Context, Hono } from "hono";
import { z } from "zod";
import { demandScope, SCOPES } from "../../auth/scopes.js";
import { AppError } from "../../lib/errors.js";
import type { ShownKey, WantedKey } from "../../operations/keys.js";
import { BODY_BYTES } from "../body-limits.js";
import { parseJsonBody } from "../json-body.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respondJson } from "../respond.js";

export interface KeyDeps {
  /** The newest first. */
  list(): Promise<ShownKey[]>;
  create(wanted: WantedKey): Promise<{ id: string; key: string }>;
  /** Null if none in use has this id. */
  revoke(id: string): Promise<ShownKey | null>;
}

const KEY_ID = /^[\w-]{1,64}$/;
const limit = z.int().min(1).nullable().default(null);
export const wantedKey = z.object({
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)).min(1),
  rate: limit,
  in_flight: limit,
});

/** Routes to make keys, look at them, and revoke them. A new key can do no more than the one that makes it. */
export function keyRoutes({ list, create, revoke }: KeyDeps): Hono<HttpEnv> {
  const admin = requireScope("admin");
  return new Hono<HttpEnv>()
    .get("/mirror/keys", admin, async (c) => respondJson(c, { data: await list() }))
    .post("/mirror/keys", admin, limitBody(BODY_BYTES.small), async (c) => {
      const { name, scopes, rate, in_flight } = await wantedOf(c);
      for (const scope of scopes) demandScope(c.get("principal").scopes, scope);
      const made = await create({ name, scopes, rate, inFlight: in_flight });
      c.set("changedIds", [made.id]);
      return respondJson(c, made, 201);
    })
    .delete("/mirror/keys/:id", admin, async (c) => {
      const id = c.req.param("id");
      const revoked = KEY_ID.test(id) ? await revoke(id) : null;
      if (!revoked)
        throw new AppError("not_found", "not found", {
          longMessage: `No key in use was found with id ${id}`,
        });
      return respondJson(c, revoked);
    });
}

async function wantedOf(c: Context<HttpEnv>): Promise<z.infer<typeof wantedKey>> {
  const parsed = wantedKey.safeParse(parseJsonBody(await c.req.text()));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param_name = issue?.path.join(".") || "body";
  throw new AppError("invalid_request", "is invalid", {
    longMessage: `${param_name}: ${issue?.message ?? "is invalid"}. Scopes are ${SCOPES.join(", ")}.`,
    meta: { param_name },
  });
}

import { type Context, Hono } from "hono";
import { badParam, ClerkFailure } from "../world/failure.js";
import { listParam } from "../world/params.js";
import { type Store, secretsOf, showMembership, showUser, userOf } from "../world/store.js";
import type { Membership, User } from "../world/types.js";
import type { Users } from "../world/users.js";
import { jsonBody, queryOf, type SandboxEnv, takesMetadata } from "./http.js";
import { type Listing, page } from "./listing.js";

const MOST_IN_BULK = 50;
const MOST_IMAGE_BYTES = 10 * 1024 * 1024;

export interface UsersApiDeps {
  store: Store;
  users: Users;
  listing: Listing;
  onListPage: (query: URLSearchParams) => void;
}

/** `/v1/users`, and the operations on one user whose answer is the user. */
export function usersApi({ store, users, listing, onListPage }: UsersApiDeps): Hono<SandboxEnv> {
  const show = (c: Context<SandboxEnv>, user: User) => c.json(showUser(store, user));
  const idOf = (c: Context<SandboxEnv>) => c.req.param("id") ?? "";

  async function bulk(c: Context<SandboxEnv>, banned: boolean) {
    const ids = listParam(await jsonBody(c), "user_ids");
    if (ids.length > MOST_IN_BULK) {
      throw new ClerkFailure(400, "bulk_size_exceeded", "Too many", `At most ${MOST_IN_BULK} users at once.`);
    }
    if (ids.length === 0) throw badParam("user_ids", "form_param_missing", "user_ids must be included.");
    for (const id of ids) userOf(store, id);
    return c.json(ids.map((id) => showUser(store, users.setBanned(id, banned))));
  }

  return new Hono<SandboxEnv>()
    .get("/users", (c) => {
      onListPage(queryOf(c));
      return c.json(listing.list(queryOf(c)).map((user) => showUser(store, user)));
    })
    .post("/users", async (c) => show(c, users.create(await jsonBody(c))))
    .get("/users/count", (c) => c.json({ object: "total_count", total_count: listing.count(queryOf(c)) }))
    .post("/users/ban", (c) => bulk(c, true))
    .post("/users/unban", (c) => bulk(c, false))
    .get("/users/:id", (c) => show(c, userOf(store, idOf(c))))
    .patch("/users/:id", async (c) =>
      show(c, users.update(idOf(c), await jsonBody(c), { takesMetadata: takesMetadata(c) })),
    )
    .delete("/users/:id", (c) => c.json(users.remove(idOf(c))))
    .post("/users/:id/ban", (c) => show(c, users.setBanned(idOf(c), true)))
    .post("/users/:id/unban", (c) => show(c, users.setBanned(idOf(c), false)))
    .post("/users/:id/lock", (c) => show(c, users.setLocked(idOf(c), true)))
    .post("/users/:id/unlock", (c) => show(c, users.setLocked(idOf(c), false)))
    .patch("/users/:id/metadata", async (c) => show(c, users.updateMetadata(idOf(c), await jsonBody(c))))
    .put("/users/:id/metadata", async (c) =>
      show(c, users.updateMetadata(idOf(c), await jsonBody(c), { replace: true })),
    )
    .post("/users/:id/profile_image", async (c) => show(c, users.setImage(idOf(c), await imageOf(c, store))))
    .delete("/users/:id/profile_image", (c) => {
      if (!userOf(store, idOf(c)).has_image) {
        throw new ClerkFailure(404, "image_not_found", "not found", "The user has no profile image.");
      }
      return show(c, users.setImage(idOf(c), null));
    })
    .post("/users/:id/remove_password", (c) => {
      const user = userOf(store, idOf(c));
      const secrets = secretsOf(store, user.id);
      if (secrets.password === null) return show(c, user);
      secrets.password = null;
      return show(c, users.touch(Object.assign(user, { password_enabled: false })));
    })
    .post("/users/:id/password/:mark{set_compromised|unset_compromised}", (c) =>
      show(c, users.touch(userOf(store, idOf(c)))),
    )
    .get("/users/:id/organization_memberships", (c) => {
      const user = userOf(store, idOf(c));
      const { limit, offset } = page(queryOf(c));
      const own = [...store.memberships.values()].filter((one) => one.user_id === user.id).sort(newestFirst);
      return c.json({
        data: own.slice(offset, offset + limit).map((one) => showMembership(store, one)),
        total_count: own.length,
      });
    });
}

export function newestFirst(a: Membership, b: Membership): number {
  return b.created_at - a.created_at || (a.id < b.id ? 1 : -1);
}

/** The name of the stored image. It is made from the image's bytes, so that the same image gets the same answer. */
async function imageOf(c: Context<SandboxEnv>, store: Store): Promise<string> {
  userOf(store, c.req.param("id") ?? "");
  const form = await c.req.formData().catch(() => null);
  const file = form?.get("file");
  if (!(file instanceof File)) {
    throw new ClerkFailure(400, "form_param_missing", "is missing", "file must be included.", {
      param_name: "file",
    });
  }
  if (file.size > MOST_IMAGE_BYTES) {
    throw new ClerkFailure(
      413,
      "image_too_large",
      "Image too large",
      "The image being uploaded is more than 10MB.",
    );
  }
  const bytes = Buffer.from(await file.arrayBuffer());
  // Some clients send no type for this part, or `application/octet-stream`. Then the image's bytes tell its type.
  const kind = /^image\//.test(file.type) ? file.type : imageTypeOf(bytes);
  if (!/^image\/(png|jpeg|gif|webp)$/.test(kind)) {
    throw new ClerkFailure(400, "request_body_invalid", "Request body invalid", "The image can't be read.");
  }
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Buffer.from(digest).toString("hex").slice(0, 24);
}

/** The image type, told by its first bytes. Empty for anything else. */
function imageTypeOf(bytes: Buffer): string {
  const starts = (hex: string, at = 0) => bytes.subarray(at, at + hex.length / 2).toString("hex") === hex;
  if (starts("89504e470d0a1a0a")) return "image/png";
  if (starts("ffd8ff")) return "image/jpeg";
  if (starts("474946383761") || starts("474946383961")) return "image/gif";
  return starts("52494646") && starts("57454250", 8) ? "image/webp" : "";
}

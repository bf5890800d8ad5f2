import { Hono } from "hono";
import { badParam } from "../world/failure.js";
import type { Organizations } from "../world/organizations.js";
import { organizationOf, type Store, showMembership } from "../world/store.js";
import type { Membership } from "../world/types.js";
import { jsonBody, queryOf, type SandboxEnv } from "./http.js";
import { page } from "./listing.js";
import { newestFirst } from "./users.js";

type Row = { id: string; created_at: number };

/** `/v1/organizations`, their memberships, and the memberships of the whole instance. */
export function organizationsApi({
  store,
  organizations,
}: {
  store: Store;
  organizations: Organizations;
}): Hono<SandboxEnv> {
  function shown(query: URLSearchParams, memberships: Membership[]) {
    const { limit, offset } = page(query);
    const sorted = inOrder(query, memberships.sort(newestFirst));
    return {
      data: sorted.slice(offset, offset + limit).map((one) => showMembership(store, one)),
      total_count: sorted.length,
    };
  }

  return new Hono<SandboxEnv>()
    .get("/organizations", (c) => {
      const query = queryOf(c);
      const { limit, offset } = page(query);
      const all = inOrder(
        query,
        [...store.organizations.values()].sort((a, b) => b.created_at - a.created_at),
      );
      return c.json({ data: all.slice(offset, offset + limit), total_count: all.length });
    })
    .post("/organizations", async (c) => c.json(organizations.create(await jsonBody(c))))
    .get("/organizations/:org", (c) => {
      const wanted = c.req.param("org");
      const bySlug = [...store.organizations.values()].find((one) => one.slug === wanted);
      return c.json(bySlug ?? organizationOf(store, wanted));
    })
    .patch("/organizations/:org", async (c) =>
      c.json(organizations.update(c.req.param("org"), await jsonBody(c))),
    )
    .patch("/organizations/:org/metadata", async (c) =>
      c.json(organizations.updateMetadata(c.req.param("org"), await jsonBody(c))),
    )
    .delete("/organizations/:org", (c) => c.json(organizations.remove(c.req.param("org"))))
    .get("/organizations/:org/memberships", (c) => {
      const organization = organizationOf(store, c.req.param("org"));
      const query = queryOf(c);
      const userIds = query.getAll("user_id").map((id) => id.replace(/^[ +]/, ""));
      const own = [...store.memberships.values()].filter(
        (one) =>
          one.organization_id === organization.id && (userIds.length === 0 || userIds.includes(one.user_id)),
      );
      return c.json(shown(query, own));
    })
    .post("/organizations/:org/memberships", async (c) => {
      const body = await jsonBody(c);
      const membership = organizations.createMembership({ ...body, organization_id: c.req.param("org") });
      return c.json(showMembership(store, membership));
    })
    .patch("/organizations/:org/memberships/:user", async (c) => {
      const { org, user } = c.req.param();
      const { role } = await jsonBody(c);
      return c.json(showMembership(store, organizations.updateMembership(org, user, { role })));
    })
    .patch("/organizations/:org/memberships/:user/metadata", async (c) => {
      const { org, user } = c.req.param();
      const { role: _, ...metadata } = await jsonBody(c);
      return c.json(showMembership(store, organizations.updateMembership(org, user, metadata)));
    })
    .delete("/organizations/:org/memberships/:user", (c) => {
      const { org, user } = c.req.param();
      return c.json(organizations.deleteMembership(org, user));
    })
    .get("/organization_memberships", (c) => c.json(shown(queryOf(c), [...store.memberships.values()])));
}

/** Newest first, unless `order_by` reverses it. */
function inOrder<T extends Row>(query: URLSearchParams, newest: T[]): T[] {
  const orderBy = (query.get("order_by") ?? "-created_at").replace(/^ /, "+");
  if (
    !/^[+-]?(created_at|name|members_count|email_address|phone_number|first_name|last_name|username)$/.test(
      orderBy,
    )
  ) {
    throw badParam(
      "order_by",
      "form_param_value_invalid",
      `${orderBy} is not one of the values of order_by.`,
    );
  }
  return /^\+?created_at$/.test(orderBy) ? newest.reverse() : newest;
}

import type { PolicyKind } from "../lib/field-policy/members.js";
import type { FieldPolicy } from "../lib/field-policy/policy.js";
import type { ClerkApi, One, Page } from "./users.js";

/** The same reads of Clerk, whose objects hold only what the policy keeps: nothing behind this sees anything else. */
export function withFieldPolicy(api: ClerkApi, policy: FieldPolicy): ClerkApi {
  if (policy.isEmpty) return api;
  const page = async (kind: PolicyKind, asked: Promise<Page>) => {
    const found = await asked;
    for (const item of found.items) policy.apply(kind, item);
    return found;
  };
  const one = async (kind: PolicyKind, asked: Promise<One>) => {
    const found = await asked;
    if (found.kind === "live") policy.apply(kind, found.object);
    return found;
  };
  return {
    ...api,
    listUsers: (...args) => page("user", api.listUsers(...args)),
    getUser: (...args) => one("user", api.getUser(...args)),
    listOrganizations: (...args) => page("organization", api.listOrganizations(...args)),
    getOrganization: (...args) => one("organization", api.getOrganization(...args)),
    listMemberships: (...args) => page("membership", api.listMemberships(...args)),
    listOrganizationMemberships: (...args) => page("membership", api.listOrganizationMemberships(...args)),
  };
}

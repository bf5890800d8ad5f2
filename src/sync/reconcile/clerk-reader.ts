import type { Call } from "../../upstream/client.js";
import type { ClerkApi, One, Page, PageQuery, UserCountQuery, UserListQuery } from "../../upstream/users.js";

/** What one run reads Clerk through: every request has the run's priority, and is given up when the run is stopped. */
export interface ClerkReader {
  listUsers(query: UserListQuery): Promise<Page>;
  countUsers(query: UserCountQuery): Promise<number>;
  getUser(id: string): Promise<One>;
  getOrganization(id: string): Promise<One>;
  listOrganizations(query: PageQuery): Promise<Page>;
  listMemberships(query: PageQuery): Promise<Page>;
  listOrganizationMemberships(
    organizationId: string,
    query: PageQuery & { userIds: readonly string[] },
  ): Promise<Page>;
  /** Added to our time it gives Clerk's, or an earlier one. */
  clockOffsetMs(): number;
  /** The length of the longest page of users that this Clerk has given, this one included: a shorter page is the last. */
  longestUserPage(page: Page): number;
}

/** Kept from one run to the next: a stand-in for Clerk may give shorter pages than it is asked for. */
const longestUserPages = new WeakMap<ClerkApi, number>();

export function createClerkReader(api: ClerkApi, call: Call): ClerkReader {
  return {
    listUsers: (query) => api.listUsers(query, call),
    countUsers: (query) => api.countUsers(query, call),
    getUser: (id) => api.getUser(id, call),
    getOrganization: (id) => api.getOrganization(id, call),
    listOrganizations: (query) => api.listOrganizations(query, call),
    listMemberships: (query) => api.listMemberships(query, call),
    listOrganizationMemberships: (organizationId, query) =>
      api.listOrganizationMemberships(organizationId, query, call),
    clockOffsetMs: () => api.clockOffsetMs(),
    longestUserPage({ items }) {
      const longest = Math.max(longestUserPages.get(api) ?? 0, items.length);
      longestUserPages.set(api, longest);
      return longest;
    },
  };
}

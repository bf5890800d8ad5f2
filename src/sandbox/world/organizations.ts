import { badParam, ClerkFailure, notFound } from "./failure.js";
import { merge, metadataParam } from "./metadata.js";
import { metadataParams, textParam } from "./params.js";
import { organizationOf, type Store, showMembership, userOf } from "./store.js";
import type { Json, Membership, Organization } from "./types.js";

const PERMISSIONS: Record<string, string[]> = {
  "org:admin": ["org:sys_profile:manage", "org:sys_memberships:manage"],
  "org:member": ["org:sys_memberships:read"],
};

/** Operations on organizations and memberships. Each one also sends its webhook. */
export function createOrganizations(store: Store) {
  const { clock, random } = store;

  function emitOrganization(type: string, organization: Organization): Organization {
    store.emit({ type: `organization.${type}`, data: organization });
    return organization;
  }

  function emitMembership(type: string, membership: Membership): Membership {
    store.emit({ type: `organizationMembership.${type}`, data: showMembership(store, membership) });
    return membership;
  }

  function create(body: Json): Organization {
    const name = textParam(body, "name");
    if (!name) throw badParam("name", "form_param_missing", "name must be included.");
    const creator = textParam(body, "created_by") ?? null;
    if (creator) userOf(store, creator);
    const at = clock.tick();
    const id = `org_${random.token(27)}`;
    const metadata = metadataParams(body);
    const organization: Organization = {
      object: "organization",
      id,
      name,
      slug: textParam(body, "slug") ?? `${slugOf(name)}-${random.token(6).toLowerCase()}`,
      image_url: `https://img.clerk.example/${id}`,
      has_image: false,
      members_count: 0,
      missing_member_with_elevated_permissions: false,
      pending_invitations_count: 0,
      max_allowed_memberships: 5,
      admin_delete_enabled: true,
      public_metadata: metadata.public_metadata ?? {},
      private_metadata: metadata.private_metadata ?? {},
      ...(creator !== null && { created_by: creator }),
      created_at: at,
      updated_at: at,
      role_set_key: null,
    };
    store.organizations.set(id, organization);
    emitOrganization("created", organization);
    if (creator) createMembership({ organization_id: id, user_id: creator, role: "org:admin" });
    return organization;
  }

  function update(id: string, body: Json): Organization {
    const organization = organizationOf(store, id);
    for (const name of ["name", "slug"] as const) {
      const value = textParam(body, name);
      if (value) organization[name] = value;
    }
    Object.assign(organization, metadataParams(body));
    organization.updated_at = clock.tick();
    return emitOrganization("updated", organization);
  }

  function updateMetadata(id: string, body: Json): Organization {
    const organization = organizationOf(store, id);
    for (const name of ["public_metadata", "private_metadata"] as const) {
      if (body[name] === undefined) continue;
      organization[name] = metadataParam(name, merge(organization[name], metadataParam(name, body[name])));
    }
    organization.updated_at = clock.tick();
    return emitOrganization("updated", organization);
  }

  function remove(id: string): Json {
    const organization = organizationOf(store, id);
    for (const membership of [...store.memberships.values()]) {
      if (membership.organization_id === id) store.memberships.delete(membership.id);
    }
    store.organizations.delete(id);
    clock.tick();
    const deleted = { object: "organization", id, slug: organization.slug, deleted: true };
    store.emit({ type: "organization.deleted", data: deleted });
    return deleted;
  }

  function createMembership(body: Json): Membership {
    const organization = organizationOf(store, String(body.organization_id));
    const user = userOf(store, String(body.user_id));
    const role = textParam(body, "role") ?? "org:member";
    if (findMembership(organization.id, user.id)) {
      throw new ClerkFailure(
        400,
        "already_a_member_in_organization",
        "already a member",
        "The user is a member already.",
      );
    }
    const at = clock.tick();
    const metadata = metadataParams(body);
    const membership: Membership = {
      id: `orgmem_${random.token(27)}`,
      object: "organization_membership",
      role,
      role_name: role.replace(/^org:/, ""),
      permissions: PERMISSIONS[role] ?? [],
      public_metadata: metadata.public_metadata ?? {},
      private_metadata: metadata.private_metadata ?? {},
      organization_id: organization.id,
      user_id: user.id,
      created_at: at,
      updated_at: at,
    };
    store.memberships.set(membership.id, membership);
    organization.members_count++;
    return emitMembership("created", membership);
  }

  function updateMembership(organizationId: string, userId: string, body: Json): Membership {
    const membership = membershipOf(organizationId, userId);
    const role = textParam(body, "role");
    if (role)
      Object.assign(membership, {
        role,
        role_name: role.replace(/^org:/, ""),
        permissions: PERMISSIONS[role] ?? [],
      });
    for (const name of ["public_metadata", "private_metadata"] as const) {
      if (body[name] === undefined) continue;
      membership[name] = metadataParam(name, merge(membership[name], metadataParam(name, body[name])));
    }
    membership.updated_at = clock.tick();
    return emitMembership("updated", membership);
  }

  /** Clerk's answer and its event both contain the whole membership. */
  function deleteMembership(organizationId: string, userId: string): Json {
    const membership = membershipOf(organizationId, userId);
    membership.updated_at = clock.tick();
    const shown = showMembership(store, membership);
    store.memberships.delete(membership.id);
    organizationOf(store, organizationId).members_count--;
    store.emit({ type: "organizationMembership.deleted", data: shown });
    return shown;
  }

  function findMembership(organizationId: string, userId: string): Membership | undefined {
    return [...store.memberships.values()].find(
      (one) => one.organization_id === organizationId && one.user_id === userId,
    );
  }

  function membershipOf(organizationId: string, userId: string): Membership {
    const membership = findMembership(organizationId, userId);
    if (!membership) throw notFound("organization membership", userId);
    return membership;
  }

  return { create, update, updateMetadata, remove, createMembership, updateMembership, deleteMembership };
}

export type Organizations = ReturnType<typeof createOrganizations>;

function slugOf(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "") || "org"
  );
}

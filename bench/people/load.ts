import { userCount } from "../../src/changes/counters.js";
import type { Database } from "../../src/db/connection/client.js";
import type { Sql } from "../../src/db/connection/sql.js";
import { buildSearchIndex, dropPutOffIndexes, dropSearchIndex } from "../../src/db/setup/search-index.js";
import { keepPlansFit, vacuumTables } from "../../src/db/setup/statistics.js";
import { unfenced } from "../../src/sync/ledger/lease.js";
import { applyPage } from "../../src/sync/reconcile/apply-page.js";
import { type Person, pageByPage } from "./pass.js";
import { DAY_MS, makePerson, TODAY_MS } from "./person.js";
import { randomOf } from "./random.js";

type Made = ReturnType<typeof makePerson>;

const PER_CROWD = 10_000;

/**
 * Users a second: while they were stored with keys alone, and until memberships, indexes and statistics were there too.
 */
export interface Loading {
  storing: number;
  inAll: number;
}

/**
 * Makes people and stores them through the mirror's own apply path, as a backfill would, so that the bench measures
 * what a backfill leaves behind. Null if all were there already.
 */
export async function loadPeople(
  database: Database,
  wanted: number,
  onProgress: (done: number) => void,
): Promise<Loading | null> {
  const { sql } = database.primary;
  let done = await userCount(sql);
  const loading = wanted - done;
  await sql`update mirror_data.upstream set backfilled_at = coalesce(backfilled_at, 1)`;
  if (loading <= 0) return null;
  // The last crowd is stored again: an interrupted run may have stored a part of it, and repeats write nothing.
  done = Math.max(0, Math.floor((done - 1) / PER_CROWD) * PER_CROWD);
  let [storingMs, otherMs] = [0, 0];
  await (done === 0 ? dropPutOffIndexes : dropSearchIndex)(sql);
  while (done < wanted) {
    const { people, memberships } = crowd(Math.min(PER_CROWD, wanted - done), done);
    const begun = performance.now();
    await storePeople(sql, people);
    const stored = performance.now();
    storingMs += stored - begun;
    await storePages(sql, "memberships", memberships);
    done += people.length;
    await keepPlansFit(sql);
    otherMs += performance.now() - stored;
    onProgress(done);
  }
  const begun = performance.now();
  await database.primary.unhurried((own) => buildSearchIndex(own, "atOnce"));
  await database.primary.unhurried(vacuumTables);
  otherMs += performance.now() - begun;
  return { storing: (loading / storingMs) * 1000, inAll: (loading / (storingMs + otherMs)) * 1000 };
}

/** Stores page by page, as a walk does. */
export const storePeople = (sql: Sql, people: readonly Person[]) => storePages(sql, "users", people);

async function storePages(
  sql: Sql,
  kind: "users" | "memberships",
  objects: readonly Record<string, unknown>[],
): Promise<void> {
  await pageByPage(objects, (items) =>
    applyPage(sql, kind, { items, startedAtMs: Date.now() }, { lagMs: 0, fence: unfenced }),
  );
}

/** One organization for so many people. */
const PER_ORGANIZATION = 500;
/** An organization finds its members among so many neighbours. Half of these are the next one's neighbours too. */
const NEIGHBOURS = 2 * PER_ORGANIZATION;
const YEAR_MS = 365 * DAY_MS;
const PERMISSIONS = {
  "org:admin": ["org:sys_profile:manage", "org:sys_memberships:manage"],
  "org:member": ["org:sys_memberships:read"],
};

/** So many people from the `first`-th on, and their memberships: the same whichever crowd they come with. */
export function crowd(users: number, first: number) {
  const people = Array.from({ length: users }, (_, n) => makePerson(first + n));
  const memberships: Record<string, unknown>[] = [];
  const organizations = Math.ceil((first + users) / PER_ORGANIZATION);
  for (let n = Math.max(0, Math.floor(first / PER_ORGANIZATION) - 1); n < organizations; n++) {
    memberships.push(...membershipsOf(n, (number) => people[number - first]));
  }
  memberships.push(...membershipsOfLargest(people, first));
  return { people, memberships };
}

/** The memberships of the n-th organization, as far as its members can be found. */
function membershipsOf(n: number, find: (number: number) => Made | undefined): Record<string, unknown>[] {
  const random = randomOf(n, 1);
  const createdAt = TODAY_MS - 1 - random.int(YEAR_MS);
  const id = `org_${random.token(27)}`;
  const members = new Set(
    Array.from({ length: 1 + random.int(40) }, () => n * PER_ORGANIZATION + random.int(NEIGHBOURS)),
  );
  const slug = `organization-${n + 1}-${random.token(6).toLowerCase()}`;
  const organization = makeOrganization({ id, name: `Organization ${n + 1}`, slug, createdAt, tier: n % 3 });
  return [...members].flatMap((number) => {
    const membership = {
      id: `orgmem_${random.token(27)}`,
      role: random.pick(["org:member", "org:member", "org:admin"] as const),
      createdAt: createdAt + random.int(TODAY_MS - createdAt),
    };
    const person = find(number);
    return person ? [showMembership(membership, organization, person)] : [];
  });
}

/** One in so many people is in the largest organization, and one in eight of these administers it. */
const PER_MEMBER_OF_LARGEST = 25;
const LARGEST = {
  id: "org_2largest",
  name: "The largest",
  slug: "the-largest",
  createdAt: TODAY_MS - YEAR_MS,
  tier: 0,
};

function membershipsOfLargest(people: readonly Made[], first: number): Record<string, unknown>[] {
  const organization = makeOrganization(LARGEST);
  return people.flatMap((person, n) => {
    const number = first + n;
    if (number % PER_MEMBER_OF_LARGEST !== 0) return [];
    const isAdmin = number % (8 * PER_MEMBER_OF_LARGEST) === 0;
    const id = `orgmem_2largest${number}`;
    const role = isAdmin ? ("org:admin" as const) : ("org:member" as const);
    return [showMembership({ id, role, createdAt: LARGEST.createdAt }, organization, person)];
  });
}

function makeOrganization(parts: {
  id: string;
  name: string;
  slug: string;
  createdAt: number;
  tier: number;
}) {
  const { id, name, slug, createdAt, tier } = parts;
  return {
    ...{ object: "organization", id, name, slug },
    image_url: `https://img.clerk.com/${id}`,
    has_image: false,
    members_count: 1,
    missing_member_with_elevated_permissions: false,
    pending_invitations_count: 0,
    max_allowed_memberships: 5,
    admin_delete_enabled: true,
    public_metadata: { tier },
    private_metadata: {},
    created_at: createdAt,
    updated_at: createdAt,
    role_set_key: null,
  };
}

function showMembership(
  { id, role, createdAt }: { id: string; role: keyof typeof PERMISSIONS; createdAt: number },
  organization: Record<string, unknown>,
  person: Made,
): Record<string, unknown> {
  const { username, first_name, last_name, image_url, has_image, banned } = person;
  const [email, phone, wallet] = [person.email_addresses[0], person.phone_numbers[0], person.web3_wallets[0]];
  return {
    id,
    object: "organization_membership",
    role,
    role_name: role.replace("org:", ""),
    permissions: PERMISSIONS[role],
    public_metadata: {},
    private_metadata: {},
    organization,
    public_user_data: {
      user_id: person.id,
      ...{ first_name, last_name, profile_image_url: image_url, image_url, has_image },
      identifier: email?.email_address ?? phone?.phone_number ?? username ?? wallet?.web3_wallet ?? null,
      ...{ username, banned },
    },
    created_at: createdAt,
    updated_at: createdAt,
  };
}

import fc from "fast-check";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { membershipSnapshot, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import type { TestDatabase } from "../../support/database.js";
import type { ModelUser } from "./model.js";

const QUARTER_MS = 900_000;
const DAY_MS = 86_400_000;
const at = (text: string) => Date.parse(text);

/** Clocks are changed in Europe on the 29th, on Lord Howe on the 4th of April. */
export const CREATED = { fromMs: at("2026-03-20T00:00Z"), toMs: at("2026-04-10T00:00Z") };
/** Samoa has no 30th of December 2011. */
export const ACTIVE = { fromMs: at("2011-12-26T00:00Z"), toMs: at("2012-01-03T00:00Z") };

const DOMAINS = ["Example.com", "gmail.com", "bücher.example"];
const ORGANIZATIONS = ["org_1", "org_2", "org_3"];
const ROLES = ["org:admin", "org:member"];

/** Values that are easily taken for each other. */
const PLANS = [
  "pro",
  "Pro",
  "free",
  "5",
  5,
  5.5,
  -1,
  10,
  1e21,
  "true",
  true,
  false,
  null,
  "null",
  "",
  "é",
  "😀",
  "\uffee",
  'a"b\\c\n',
  [],
  ["pro"],
  ["pro", "pro", 5, "5", null, ["pro"]],
  [[]],
  { a: 1, 'b"': ["x"] },
  { 'b"': ["x"], a: 1 },
  {},
];

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const within = (fromMs: number, toMs: number) =>
  fc.integer({ min: 0, max: (toMs - fromMs) / QUARTER_MS }).map((n) => fromMs + n * QUARTER_MS);
const email = fc.tuple(fc.constantFrom("a", "B"), fc.constantFrom(...DOMAINS)).map((two) => two.join("@"));

const person = fc.record({
  created_at: fc.oneof(
    within(CREATED.fromMs, CREATED.toMs),
    within(at("2026-03-28T23:00Z"), at("2026-03-29T04:00Z")),
    within(at("2026-04-04T13:00Z"), at("2026-04-04T17:00Z")),
  ),
  last_active_at: maybe(within(ACTIVE.fromMs, ACTIVE.toMs)),
  visits: fc.array(within(ACTIVE.fromMs - 60 * DAY_MS, ACTIVE.toMs), { maxLength: 4 }),
  banned: fc.boolean(),
  two_factor_enabled: fc.boolean(),
  first_name: maybe(fc.constantFrom("Ann", "ANN", "Ünï")),
  last_name: maybe(fc.constantFrom("Ann", "Lee")),
  emails: fc.uniqueArray(email, { maxLength: 3, selector: (text) => text.toLowerCase() }),
  hasPrimary: fc.boolean(),
  phones: fc.uniqueArray(fc.constantFrom("+1555", "+44"), { maxLength: 2 }),
  providers: fc.array(fc.constantFrom("oauth_google", "google", "oauth_github"), { maxLength: 3 }),
  memberships: fc.uniqueArray(fc.tuple(fc.constantFrom(...ORGANIZATIONS), fc.constantFrom(...ROLES)), {
    maxLength: 3,
    selector: ([organization]) => organization,
  }),
  plan: fc.option(fc.constantFrom(...PLANS), { nil: undefined }),
});
type Person = typeof person extends fc.Arbitrary<infer P> ? P : never;

/** The same people in every run, stored: fast-check's own generator under a fixed seed. */
export async function storePeople({ sql }: TestDatabase, count: number): Promise<ModelUser[]> {
  const made = fc.sample(person, { numRuns: count, seed: 11 });
  const named = made.map((one, n) => ({ ...one, id: `user_${String(n).padStart(4, "0")}` }));
  await applyItems(sql, named.map(snapshotsOf), { lagMs: 60_000 });
  await applyItems(sql, named.flatMap(earlierVisits), { lagMs: 60_000 });
  return named.map(modelOf);
}

/** What was seen of them before they were last active. */
const visitsOf = ({ visits, last_active_at }: Person) => visits.filter((ms) => ms < (last_active_at ?? 0));
const earlierVisits = (made: Person & { id: string }) =>
  visitsOf(made).map((last_active_at) => ({
    users: [userSnapshot(clerkUser({ id: made.id, last_active_at, updated_at: 0 }), "page", 0)],
  }));

const metadataOf = ({ plan }: Person) => ({
  public_metadata: plan === undefined ? {} : { plan, deep: { "a.b": plan } },
  unsafe_metadata: { deep: plan === undefined ? ["no object"] : { plan } },
  private_metadata: plan === undefined ? {} : { plan },
});

function snapshotsOf(made: Person & { id: string }) {
  const { id, emails, hasPrimary, phones, providers, memberships, plan: _, visits: __, ...fields } = made;
  const list = (values: readonly string[], name: string) =>
    values.map((value, n) => ({ id: `${name}_${id}_${n}`, [name]: value }));
  const user = clerkUser({
    ...fields,
    ...metadataOf(made),
    id,
    email_addresses: list(emails, "email_address"),
    primary_email_address_id: hasPrimary ? `email_address_${id}_${emails.length - 1}` : null,
    phone_numbers: list(phones, "phone_number"),
    external_accounts: providers.map((provider, n) => ({
      id: `eac_${id}_${n}`,
      provider,
      provider_user_id: `${n}`,
    })),
  });
  return {
    users: [userSnapshot(user, "page", 1)],
    memberships: memberships.map(([organization, role], n) =>
      membershipSnapshot(
        {
          id: `orgmem_${id}_${n}`,
          role,
          organization: { id: organization },
          public_user_data: { user_id: id },
          created_at: 1,
          updated_at: 1,
        },
        "page",
        1,
      ),
    ),
  };
}

function modelOf(made: Person & { id: string }): ModelUser {
  const { id, emails, hasPrimary, phones, providers, memberships, created_at, last_active_at } = made;
  const { banned, two_factor_enabled } = made;
  const folded = emails.map((address) => address.toLowerCase());
  const [first, last] = [made.first_name?.toLowerCase() ?? null, made.last_name?.toLowerCase() ?? null];
  return {
    id,
    fields: {
      ...{ created_at, last_active_at, banned, two_factor_enabled, first_name: first, last_name: last },
      ...metadataOf(made),
      email_domain: (hasPrimary && folded.at(-1)?.split("@")[1]) || null,
    },
    lists: {
      name: [first, last, first !== null && last !== null ? `${first} ${last}` : null].filter(
        (one) => one !== null,
      ),
      email_address: folded,
      phone_number: phones,
      provider: providers,
      organization_id: memberships.map(([organization]) => organization),
      organization_role: memberships.map(([, role]) => role),
      active_day: [...visitsOf(made), ...(last_active_at === null ? [] : [last_active_at])].map(
        (ms) => Math.floor(ms / DAY_MS) * DAY_MS,
      ),
    },
  };
}

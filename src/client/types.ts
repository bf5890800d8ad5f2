import type { Filter } from "./filter.js";

/** A user as Clerk's API shows it. Members that aren't named here are there all the same. */
export interface User {
  id: string;
  external_id: string | null;
  username: string | null;
  first_name: string | null;
  last_name: string | null;
  image_url: string;
  has_image: boolean;
  primary_email_address_id: string | null;
  primary_phone_number_id: string | null;
  primary_web3_wallet_id: string | null;
  email_addresses: EmailAddress[];
  phone_numbers: PhoneNumber[];
  web3_wallets: Web3Wallet[];
  external_accounts: ExternalAccount[];
  public_metadata: Metadata;
  unsafe_metadata: Metadata;
  /** Null for keys without `private_metadata:read`. */
  private_metadata: Metadata | null;
  password_enabled: boolean;
  two_factor_enabled: boolean;
  banned: boolean;
  locked: boolean;
  created_at: number;
  updated_at: number;
  last_active_at: number | null;
  last_sign_in_at: number | null;
  [member: string]: unknown;
}

export type Metadata = Record<string, unknown>;

export interface EmailAddress {
  id: string;
  email_address: string;
  [member: string]: unknown;
}

export interface PhoneNumber {
  id: string;
  phone_number: string;
  [member: string]: unknown;
}

export interface Web3Wallet {
  id: string;
  web3_wallet: string;
  [member: string]: unknown;
}

export interface ExternalAccount {
  id: string;
  provider: string;
  [member: string]: unknown;
}

export interface Cancellable {
  /** Aborts what runs; the promise or the iteration rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface Selection extends Cancellable {
  filter?: Filter;
  /** Top-level members of a user, fields of the filter language, metadata paths. Without: whole users. */
  fields?: readonly string[];
}

export interface QueryOptions extends Selection {
  /** For example `["-last_active_at", "id"]`. The default is `["-created_at"]`. */
  orderBy?: readonly string[];
  /** From 1 to 500; the default is 50. */
  limit?: number;
  /** `nextCursor` of the page before, with the same filter, orders and fields. */
  cursor?: string | null;
  /** `true`: exact, at the commit of the page. `"estimated"`: from statistics, at once. */
  count?: boolean | "estimated";
}

export interface QueryPage<U> {
  data: U[];
  /** Null: this is the last page. */
  nextCursor: string | null;
  /** Only if it was asked for. */
  totalCount?: number;
  /** Whether `totalCount` is an estimate. */
  totalCountEstimated?: true;
  /** For `changes({ after })`: copy first, follow then, and nothing falls between. */
  changesCursor: string;
}

export interface IterateOptions extends Selection {
  orderBy?: readonly string[];
  /** Users a request, from 1 to 500; the default is 500. */
  pageSize?: number;
}

export type LookupBy = "id" | "email_address" | "phone_number" | "username" | "web3_wallet" | "external_id";

export interface LookupOptions extends Cancellable {
  by: LookupBy;
  /** At most 1,000. */
  keys: readonly string[];
  fields?: readonly string[];
}

export type Bucket = "hour" | "day" | "week" | "month";

/**
 * A field, or a time in buckets of a time zone (`Europe/Berlin`; the default is UTC). `active_day` in buckets `day`, `week`, `month`
 * counts who was active.
 */
export type Grouping = string | { field: string; bucket?: Bucket; timeZone?: string };

export interface AggregateOptions extends Cancellable {
  filter?: Filter;
  groupBy?: readonly Grouping[];
  orderBy?: readonly ("count" | "-count" | "key" | "-key")[];
  limit?: number;
  /** Running totals; the first grouping must be a time. */
  cumulative?: boolean;
}

export interface Aggregate {
  data: AggregateRow[];
  /** What `limit` cut off. */
  other: number;
  /** Users, each counted once. */
  total: number;
}

export interface AggregateRow {
  /** One for each grouping, in their order. Absent without a grouping. */
  keys?: (string | number | boolean | null)[];
  count: number;
}

export interface RetentionOptions extends Cancellable {
  filter?: Filter;
  /** Users created in the same week, the default, or month. */
  cohort?: "week" | "month";
  /** How many weeks or months are told of each cohort, its own first; the default is 12. */
  periods?: number;
  /** Whose weeks or months; the default is UTC. */
  timeZone?: string;
}

export interface Retention {
  data: Cohort[];
}

export interface Cohort {
  /** Its first day: `2026-09-07`. */
  cohort: string;
  users: number;
  /** How many were active in each period from the cohort's own on. Null: the history doesn't reach there, or it hasn't begun. */
  active: (number | null)[];
}

export type ChangeKind = "user" | "organization" | "membership";

export interface Change {
  /** Where to go on: `changes({ after: cursor })`. */
  cursor: string;
  type: `${ChangeKind}.${"upserted" | "deleted"}`;
  id: string;
  /** `updated_at` of what was stored, in milliseconds; 0 for deletions. */
  version: number;
  /** When it was committed, in milliseconds. */
  at: number;
  /** Only with `include: "object"`: the state now, perhaps newer than `version`; null for what is deleted. */
  object?: Record<string, unknown> | null;
}

export interface ChangesOptions extends Cancellable {
  /** `"start"`: as far back as the mirror remembers. `"now"`, the default: what comes from now on. */
  after?: string;
  types?: readonly ChangeKind[];
  include?: "object";
  /** Told where one stands when nothing of these types has come for a while. */
  onBookmark?: (cursor: string) => void | Promise<void>;
}

/** Where the reader of the feed stands, kept by the application across restarts. */
export interface CursorStore {
  load(): Promise<string | null>;
  save(cursor: string): Promise<void>;
}

export interface FollowOptions extends Cancellable {
  store: CursorStore;
  /** A user as it is now. The same may come several times. */
  onUser(user: User): void | Promise<void>;
  onDeleted(id: string): void | Promise<void>;
  /**
   * Called before everybody is copied: at the first start, after a copy that a restart cut off, and when the follower was away
   * for longer than the mirror remembers changes. Forget what you have then, since users can be gone of whom nobody tells any
   * more. Without it, an expired cursor rejects with `changes_expired`.
   */
  onCopy?(): void | Promise<void>;
}

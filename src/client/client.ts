import { readChanges } from "./changes.js";
import { follow } from "./follow.js";
import { createTransport, type TransportOptions } from "./transport.js";
import type { Change, ChangesOptions, FollowOptions } from "./types.js";
import { createUsers, type Users } from "./users.js";

// Needs nothing but `fetch`: it runs on Node 20 and newer, in browsers, and at the edge.

export type MirrorClientOptions = TransportOptions;

export interface MirrorClient {
  users: Users;
  /** What commits, in the order of commits, none skipped, each at least once; it never ends by itself. */
  changes(options?: ChangesOptions): AsyncGenerator<Change, void, undefined>;
  /** Copies every user once, then follows, until its signal aborts: keeps a copy of yours like the mirror. */
  follow(options: FollowOptions): Promise<never>;
}

/**
 * A client of the mirror's own API. `baseUrl` is the mirror's address without `/v1`; `apiKey` needs the scope `users:read`, and
 * `changes:read` for `changes` and `follow`. Whatever fails is a `MirrorError`, or the reason of your own signal.
 */
export function createMirrorClient(options: MirrorClientOptions): MirrorClient {
  const transport = createTransport(options);
  return {
    users: createUsers(transport),
    changes: (changes) => readChanges(transport, changes),
    follow: (following) => follow(transport, following),
  };
}

// biome-ignore lint/performance/noBarrelFile: what applications import is named in one place
export { MirrorError } from "./errors.js";
export type { AccountFilter, EmailFilter, Filter, MembershipFilter } from "./filter.js";
export type {
  Aggregate,
  AggregateOptions,
  AggregateRow,
  Bucket,
  Change,
  ChangeKind,
  ChangesOptions,
  Cohort,
  CursorStore,
  FollowOptions,
  Grouping,
  IterateOptions,
  LookupBy,
  LookupOptions,
  QueryOptions,
  QueryPage,
  Retention,
  RetentionOptions,
  Selection,
  User,
} from "./types.js";
export type { Shown, Users } from "./users.js";

/** Which users. All entries must hold; `{}` is everybody. */
export type Filter = Logic<Filter> &
  Texts<"id" | "external_id" | "phone_number" | "web3_wallet" | "email_domain" | "provider"> &
  Texts<"organization_id" | "organization_role"> &
  Names<"username" | "first_name" | "last_name" | "name" | "email_address"> &
  Flags<"banned" | "locked" | "two_factor_enabled" | "password_enabled" | "has_image"> &
  Times<"created_at" | "updated_at" | "last_active_at" | "last_sign_in_at"> &
  Paths<"public_metadata" | "unsafe_metadata" | "private_metadata"> & {
    /** Whatever Clerk's `query` looks at. */
    any?: Pick<NameOperators, "contains" | "prefix" | "suffix" | "similar">;
    /** All of it holds for one and the same membership. `{ not: { membership: {} } }`: nobody's member. */
    membership?: MembershipFilter;
    /** All of it holds for one and the same e-mail address. */
    email?: EmailFilter;
    /** All of it holds for one and the same linked account. */
    account?: AccountFilter;
  };

export type MembershipFilter = Logic<MembershipFilter> &
  Texts<"organization_id" | "role"> &
  Times<"created_at"> &
  Paths<"public_metadata">;

export type EmailFilter = Logic<EmailFilter> & Texts<"address" | "domain"> & Flags<"verified" | "primary">;

export type AccountFilter = Logic<AccountFilter> & Texts<"provider" | "provider_user_id" | "email_address">;

interface Logic<F> {
  /** Of none: everybody. */
  and?: readonly F[];
  /** Of none: nobody. */
  or?: readonly F[];
  not?: F;
}

type Texts<K extends string> = { [_ in K]?: Condition<string, TextOperators> };
type Names<K extends string> = { [_ in K]?: Condition<string, NameOperators> };
type Flags<K extends string> = { [_ in K]?: Condition<boolean, Equality<boolean>> };
type Times<K extends string> = { [_ in K]?: Condition<Time, TimeOperators> };
/** For example `public_metadata.plan`, `public_metadata.address.city`, `public_metadata."a.b"`. */
type Paths<K extends string> = { [_ in `${K}.${string}`]?: Condition<Scalar, MetadataOperators> };

/** A value: equals; `null`: is null or absent. An array: any of. An object: all of these operators. */
export type Condition<T, O> = T | null | readonly (T | null)[] | O;

export type Scalar = string | number | boolean;

/** Milliseconds since 1970, ISO 8601, or relative to now: `now`, `now-30d`, `now+1h` (units m, h, d, w). */
export type Time = number | string;

export interface Equality<T> {
  eq?: T | null;
  ne?: T | null;
  in?: readonly (T | null)[];
  nin?: readonly (T | null)[];
  /** Present and not null. */
  exists?: boolean;
}

export interface Ranges<T> {
  lt?: T;
  lte?: T;
  gt?: T;
  gte?: T;
}

/** Case is folded. */
export interface TextOperators extends Equality<string> {
  contains?: string;
  prefix?: string;
  suffix?: string;
}

export interface NameOperators extends TextOperators {
  /** At least half alike by trigrams; `orderBy: ["-_score"]` ranks by it. */
  similar?: string;
}

export interface TimeOperators extends Equality<Time>, Ranges<Time> {}

export interface MetadataOperators extends Equality<Scalar>, Ranges<number | string> {
  /** Of an array: has this element. Of a text: this is in it. */
  contains?: Scalar;
  prefix?: string;
  suffix?: string;
}

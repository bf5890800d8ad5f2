import type { Examples } from "./operation.js";
import { EXAMPLE_IDS } from "./operations/ids.js";

/** Bodies for Clerk's operations, by the name of the operation. Its own description has none. */
export const CLERK_BODIES: Readonly<Record<string, Examples>> = {
  CreateUser: {
    "with a password": {
      ...{ email_address: ["carol@acme.com"], password: "correct horse battery staple" },
      ...{ first_name: "Carol", public_metadata: { plan: "pro" } },
    },
  },
  UpdateUser: { "a new name": { first_name: "Ann", last_name: "Archer" } },
  UpdateUserMetadata: { "another plan": { public_metadata: { plan: "pro" } } },
  ReplaceUserMetadata: { "nothing but a plan": { public_metadata: { plan: "free" } } },
  UsersBan: { one: { user_ids: [EXAMPLE_IDS.user] } },
  UsersUnban: { one: { user_ids: [EXAMPLE_IDS.user] } },
  VerifyPassword: { "a password": { password: "correct horse battery staple" } },
  VerifyTOTP: { "a code": { code: "123456" } },
  ReplaceUserEmailAddress: { "another address": { email_address: "ann@acme.org" } },
  ReplaceUserPhoneNumber: { "another number": { phone_number: "+15550002222" } },
  SetUserPasswordCompromised: { "and sign out": { revoke_all_sessions: true } },
  RemoveUserPassword: { "and sign out": { sign_out_of_other_sessions: true } },
};

/** Values for parameters of paths, by their names. */
export const CLERK_PATHS: Readonly<Record<string, Examples>> = {
  user_id: { one: EXAMPLE_IDS.user },
  organization_id: { one: EXAMPLE_IDS.organization },
  provider: { Google: "oauth_google" },
};

/** Values for parameters of queries. */
export const CLERK_QUERIES: Readonly<Record<string, Examples>> = {
  email_address: { one: ["ann@acme.com"] },
  user_id: { "all but one": [`-${EXAMPLE_IDS.user}`] },
  organization_id: { one: [EXAMPLE_IDS.organization] },
  query: { "part of a name": "ann" },
  limit: { ten: 10 },
  order_by: { "the newest first": "-created_at" },
  banned: { "only those": true },
};

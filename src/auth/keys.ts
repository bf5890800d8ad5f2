import { hash, timingSafeEqual } from "node:crypto";
import { AppError } from "../lib/errors.js";
import type { Limiter } from "./limits.js";
import { CLERK_SECRET_KEY_SCOPES, SCOPES, type Scope } from "./scopes.js";

/** The caller of a request. Its name is logged, its key never. */
export interface Principal {
  readonly name: string;
  /** Absent for the keys of the environment. */
  readonly id?: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Absent for the keys of the environment: they are the operator's own and have no limits. */
  readonly limiter?: Limiter;
}

/** Takes the whole Authorization header. Throws `unauthenticated` with the code that Clerk would answer with. */
export type Authenticate = (authorization: string | null) => Principal | Promise<Principal>;

export interface AuthenticatorOptions {
  secretKey: string;
  mirrorApiKey: string | null;
  acceptClerkSecretKey: boolean;
}

/** Knows the keys of the environment: `MIRROR_API_KEY` with every scope, and Clerk's secret key if it is accepted. */
export function createAuthenticator(
  options: AuthenticatorOptions,
): (authorization: string | null) => Principal {
  const keys: { digest: Buffer; principal: Principal }[] = [];
  if (options.mirrorApiKey) {
    keys.push({
      digest: digestOf(options.mirrorApiKey),
      principal: { name: "MIRROR_API_KEY", scopes: new Set(SCOPES) },
    });
  }
  if (options.acceptClerkSecretKey) {
    keys.push({
      digest: digestOf(options.secretKey),
      principal: { name: "CLERK_SECRET_KEY", scopes: new Set(CLERK_SECRET_KEY_SCOPES) },
    });
  }

  return (authorization) => {
    const digest = digestOf(bearerToken(authorization));
    const key = keys.find((candidate) => timingSafeEqual(candidate.digest, digest));
    if (key) return key.principal;
    throw unknownKey();
  };
}

export function unknownKey(): AppError {
  return new AppError("unauthenticated", "The provided key is invalid.", {
    clerkCode: "clerk_key_invalid",
    longMessage:
      "The provided key is unknown here. Check the secret key, and that it is sent to the right mirror.",
  });
}

// Digests are compared, not keys: all have the same length, so the time taken tells nothing about the key.
export const digestOf = (token: string) => hash("sha256", token, "buffer");

/** The key in an Authorization header. Throws `unauthenticated` if there is none. */
export function bearerToken(authorization: string | null): string {
  if (!authorization) {
    throw new AppError("unauthenticated", "No key was sent.", {
      clerkCode: "authentication_invalid",
      longMessage: "This route needs a key: send it as `Authorization: Bearer <key>`.",
    });
  }
  const token = /^Bearer +([!-~]+)$/i.exec(authorization)?.[1];
  if (token) return token;
  throw new AppError("unauthenticated", "Invalid Authorization header format.", {
    clerkCode: "authorization_header_format_invalid",
    longMessage: "The Authorization header must be `Bearer <key>`.",
  });
}

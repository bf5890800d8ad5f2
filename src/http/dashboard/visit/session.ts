import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

/** What a signed-in browser brings: the key that was entered, and when the session ends. */
export interface Session {
  key: string;
  endsAtMs: number;
}

/**
 * Seals sessions into cookies, so that nothing is stored. Whoever holds a cookie can do what its key allows until the session
 * ends or the key is revoked, and can't read the key in it. All processes of one `CLERK_SECRET_KEY` open each other's.
 */
export interface Sessions {
  /** The value of the cookie. */
  begin(key: string): string;
  /** Null: the session has ended, or the cookie isn't one of ours. */
  open(cookie: string): Session | null;
  /** What forms of this session must bring, which other sites can't know. */
  token(cookie: string): string;
  isToken(cookie: string, token: string): boolean;
}

/** A working day. */
export const SESSION_MS = 12 * 3_600_000;
const [IV_BYTES, TAG_BYTES] = [12, 16];
/** Longer keys aren't ours, and a cookie has 4 KiB. */
const MOST_BYTES = 1024;

export function createSessions(secretKey: string, nowMs: () => number): Sessions {
  const derived = (purpose: string) =>
    Buffer.from(hkdfSync("sha256", secretKey, "", `user-mirror ${purpose}`, 32));
  const [sealing, signing] = [derived("dashboard session"), derived("dashboard form")];
  const token = (cookie: string) => createHmac("sha256", signing).update(cookie).digest("base64url");

  return {
    token,
    isToken(cookie, given) {
      const [own, other] = [Buffer.from(token(cookie)), Buffer.from(given)];
      return own.length === other.length && timingSafeEqual(own, other);
    },
    begin(key) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv("aes-256-gcm", sealing, iv);
      const text = JSON.stringify({ key, endsAtMs: nowMs() + SESSION_MS } satisfies Session);
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
    },
    open(cookie) {
      const bytes = Buffer.from(cookie, "base64url");
      if (bytes.length <= IV_BYTES + TAG_BYTES || bytes.length > MOST_BYTES) return null;
      const decipher = createDecipheriv("aes-256-gcm", sealing, bytes.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      try {
        const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
        const session: Session = JSON.parse(text.toString("utf8"));
        return session.endsAtMs > nowMs() ? session : null;
      } catch {
        return null;
      }
    },
  };
}

import { isLoopback } from "../lib/own-address.js";

interface Settings {
  clerk: { apiUrl: string };
  keys: { mirrorApiKey: string | null };
}

/** As many as a random key of 96 bits has in base64. */
const SHORTEST_KEY = 16;

/** What is allowed and endangers a secret, for the log at the start. No value of a variable stands in it. */
export function weaknessesOf({ clerk, keys }: Settings): string[] {
  const { protocol, hostname } = new URL(clerk.apiUrl);
  const weaknesses: string[] = [];
  if (protocol === "http:" && !isLoopback(hostname)) {
    weaknesses.push(
      "CLERK_API_URL is http:// and leads to another machine: CLERK_SECRET_KEY is sent there unencrypted, and whoever is on the way can answer for Clerk.",
    );
  }
  if (keys.mirrorApiKey !== null && keys.mirrorApiKey.length < SHORTEST_KEY) {
    weaknesses.push(
      `MIRROR_API_KEY has less than ${SHORTEST_KEY} characters and every right: somebody may guess it. \`keys create\` makes keys that nobody guesses.`,
    );
  }
  return weaknesses;
}

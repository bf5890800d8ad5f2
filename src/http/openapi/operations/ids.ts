import { z } from "zod";
import type { Parameter } from "../operation.js";

/** Ids that the examples name. */
export const EXAMPLE_IDS = {
  user: "user_29w83sxmDNGwOuEthce5gg56FcC",
  organization: "org_2ZqC6ZqQkFlJ8cY3F0Qd4cQeJ1V",
  run: "run_0f6a3c9d2b7e4815a9c0d1e2",
  deadLetter: "walk:user_29w83sxmDNGwOuEthce5gg56FcD",
  key: "key_3f9c2a7b1d5e",
} as const;

const id = (name: string, description: string, example: string): Parameter => ({
  ...{ name, in: "path", description, schema: z.string() },
  examples: { one: example },
});

export const USER_ID = (name: string) => id(name, "The user's id.", EXAMPLE_IDS.user);
export const ORGANIZATION_ID = id("id", "The organization's id.", EXAMPLE_IDS.organization);
export const RUN_ID = id("id", "The run's id.", EXAMPLE_IDS.run);
export const LETTER_ID = id("id", "The dead letter's id.", EXAMPLE_IDS.deadLetter);
export const KEY_ID = id("id", "The key's id, which isn't the key.", EXAMPLE_IDS.key);

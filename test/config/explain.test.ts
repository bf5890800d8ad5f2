// Covers src/config/{values,variables}.ts

import { describe, expect, test } from "vitest";
import { explainConfig } from "../../src/config/explain.js";
import { aboutOf, secretNames, variableNames } from "../../src/config/variables.js";
import { loadConfig } from "../../src/config.js";

const explained = (env: Record<string, string>, fromDotEnv: string[] = []) =>
  new Map(explainConfig(env, new Set(fromDotEnv)).map((one) => [one.name as string, one]));

describe("an explained configuration", () => {
  test("says of every variable what it is for, what holds, its default and who said so", () => {
    const all = explained(
      { PORT: "9000", LOG_LEVEL: "debug", HOST: " ", CLERK_SECRET_KEY_FILE: "/run/key" },
      ["LOG_LEVEL"],
    );
    expect([...all.keys()]).toEqual(variableNames);
    expect(all.get("PORT")).toMatchObject({ value: "9000", default: "8787", source: "environment" });
    expect(all.get("LOG_LEVEL")).toMatchObject({ value: "debug", default: "info", source: ".env" });
    expect(all.get("HOST")).toMatchObject({ value: "127.0.0.1", source: "default" });
    expect(all.get("CLERK_SECRET_KEY")).toMatchObject({ value: "••••", source: "file", secret: true });
    expect(all.get("DATABASE_POOL_MAX")).toMatchObject({ value: null, default: "4 for each core" });
    for (const { description, default: otherwise } of all.values()) {
      expect(description).not.toBe("");
      expect(otherwise).not.toBe("none");
    }
  });

  test("names defaults that mean what holds where nothing is set", () => {
    const defaults = [...explained({}).values()].flatMap(({ name, value }) =>
      value === null ? [] : [[name, value]],
    );
    const { explained: _, ...written } = loadConfig(Object.fromEntries(defaults));
    expect({ ...loadConfig({}), explained: [] }).toEqual({ ...written, explained: [] });
  });

  test("prints of secrets nothing but their kind, and of what can't be read nothing", () => {
    const env = {
      CLERK_SECRET_KEY: "sk_live_hunter2",
      CLERK_WEBHOOK_SIGNING_SECRET: "whsec_aHVudGVyMg== whsec_aHVudGVyMjI=",
      DATABASE_URL: "postgres://app:hunter2@db.example:6543/mirror?sslpassword=hunter2",
      MIRROR_API_KEY: "um_hunter2",
      FIELD_POLICY_KEY: "hunter2hunter2hunter2",
      CLERK_API_URL: "https://hunter2:hunter2@clerk.example",
      CLERK_INSTANCE_ID: "hunter2",
    };
    const all = explained(env);
    expect(JSON.stringify([...all.values()])).not.toMatch(/hunter2|aHVudGVy/);
    expect(all.get("CLERK_SECRET_KEY")?.value).toBe("sk_live_••••");
    expect(all.get("CLERK_WEBHOOK_SIGNING_SECRET")?.value).toBe("whsec_•••• whsec_••••");
    expect(all.get("DATABASE_URL")?.value).toBe("host=db.example port=6543 user=app dbname=mirror");
    expect(all.get("CLERK_API_URL")?.value).toBe("•••• (can't be read)");
    for (const name of secretNames) expect(aboutOf(name).isSecret).toBe(true);
  });
});

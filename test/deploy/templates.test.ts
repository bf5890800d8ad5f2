import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { secretNames, variableNames } from "../../src/config/variables.js";

const root = join(import.meta.dirname, "..", "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

/** Variables that are Node's, not the mirror's. */
const NODES_OWN = ["NODE_ENV"];
const known = new Set<string>([...variableNames, ...secretNames.map((name) => `${name}_FILE`), ...NODES_OWN]);

interface Render {
  services: {
    dockerfilePath: string;
    healthCheckPath: string;
    envVars: { key: string; value?: string; fromDatabase?: { name: string } }[];
  }[];
  databases: { name: string }[];
}
const render = parseYaml(read("deploy/hosts/render.yaml")) as Render;
const fly = parseToml(read("deploy/hosts/fly.toml")) as unknown as {
  env: Record<string, string>;
  http_service: { internal_port: number; checks: { path: string }[] };
};
const railway = JSON.parse(read("deploy/hosts/railway.json"));
const compose = parseYaml(read("compose.yaml"));
const deployment = parseYaml(read("deploy/kubernetes/deployment.yaml"));
const unit = read("deploy/systemd/user-mirror.service");

/** `Environment=A=1 B=2` in a unit. */
const unitVariables = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = ""]) =>
  line.split(" ").map((assignment) => assignment.split("=")[0] ?? ""),
);

describe("each variable of a template is one of the mirror's", () => {
  const named: Record<string, string[]> = {
    "compose.yaml": Object.keys(compose.services.mirror.environment),
    "deploy/hosts/render.yaml": render.services.flatMap(({ envVars }) => envVars.map(({ key }) => key)),
    "deploy/hosts/fly.toml": [
      ...Object.keys(fly.env),
      ...[...read("deploy/hosts/fly.toml").matchAll(/([A-Z][A-Z_]+)=…/g)].map(([, name = ""]) => name),
    ],
    "deploy/kubernetes/deployment.yaml": deployment.spec.template.spec.containers[0].env.map(
      ({ name }: { name: string }) => name,
    ),
    "deploy/systemd/user-mirror.service": unitVariables,
    Dockerfile: [...(/^ENV (.*)$/m.exec(read("Dockerfile"))?.[1] ?? "").matchAll(/([A-Z_]+)=/g)].map(
      ([, name = ""]) => name,
    ),
  };
  test.each(Object.entries(named))("%s", (_, names) => {
    expect(names.length).toBeGreaterThan(1);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  test("no template lies beside these", () => {
    expect(readdirSync(join(root, "deploy/hosts")).sort()).toEqual([
      "fly.toml",
      "railway.json",
      "render.yaml",
    ]);
  });
});

test("hosts ask whether it is ready, at the port on which it listens", () => {
  const paths = [
    ...render.services.map(({ healthCheckPath }) => healthCheckPath),
    ...fly.http_service.checks.map(({ path }) => path),
    railway.deploy.healthcheckPath,
  ];
  expect(paths).toEqual(["/readyz", "/readyz", "/readyz"]);
  expect(fly.env.PORT).toBe(String(fly.http_service.internal_port));
});

test("hosts build from the Dockerfile, and Render's service uses Render's database", () => {
  for (const file of [render.services[0]?.dockerfilePath, railway.build.dockerfilePath]) {
    expect(existsSync(join(root, file))).toBe(true);
  }
  const database = render.services[0]?.envVars.find(({ key }) => key === "DATABASE_URL")?.fromDatabase?.name;
  expect(render.databases.map(({ name }) => name)).toContain(database);
});

test("the guide names files and variables that exist, and every template", () => {
  const guide = read("docs/how-to/deploying.md");
  const files = new Set(guide.match(/deploy\/[\w./-]+\w/g));
  for (const file of files) expect(existsSync(join(root, file))).toBe(true);
  const templates = readdirSync(join(root, "deploy/hosts")).map((name) => `deploy/hosts/${name}`);
  expect([...files]).toEqual(expect.arrayContaining([...templates, "deploy/systemd/user-mirror.service"]));
  const variables = guide.match(/\b[A-Z]+_[A-Z_]+\b/g) ?? [];
  expect(variables.filter((name) => !known.has(name))).toEqual([]);
});

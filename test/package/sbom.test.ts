import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir, hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import formatsPlugin from "ajv-formats";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** What is copied from it has a folder of its own, which a test of the package holds. */
const COPIED = new Set(["node_modules/swagger-ui-dist"]);

const readJson = (file: string) => JSON.parse(readFileSync(file, "utf8"));

/** CycloneDX's own schemas, of the version that npm writes. */
function cycloneDxValidator() {
  const library = createRequire(import.meta.url).resolve("@cyclonedx/cyclonedx-library/package.json");
  const schema = (name: string) =>
    readJson(join(dirname(library), "res/schema", `${name}.SNAPSHOT.schema.json`));
  const ajv = new Ajv({ strict: false, allErrors: true });
  formatsPlugin.default(ajv);
  for (const format of ["iri-reference", "idn-email"]) ajv.addFormat(format, true);
  for (const name of ["spdx", "jsf-0.82"])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  return ajv.compile(schema("bom-1.5"));
}

test("`npm run sbom` prints a valid CycloneDX bill of what is installed with the package or copied into it, and of nothing else", () => {
  const text = execFileSync("npm", ["run", "--silent", "sbom"], { cwd: root, encoding: "utf8" });
  const bom = JSON.parse(text);
  const validate = cycloneDxValidator();
  validate(bom);
  expect(validate.errors ?? []).toEqual([]);
  expect(validate({ ...bom, components: [{ type: "library" }] })).toBe(false);

  const { name, version, license } = readJson(join(root, "package.json"));
  expect(bom.metadata.component).toMatchObject({ name, version, licenses: [{ license: { id: license } }] });
  const { packages } = readJson(join(root, "package-lock.json")) as {
    packages: Record<string, { version: string; dev?: boolean; devOptional?: boolean }>;
  };
  const installed = Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => COPIED.has(path) || (path && !dev && !devOptional))
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, "")}@${version}`);
  expect(
    bom.components.map(({ name, version }: { name: string; version: string }) => `${name}@${version}`).sort(),
  ).toEqual(installed.sort());
  for (const component of bom.components) {
    expect(component).toMatchObject({ hashes: [{ alg: "SHA-512" }], licenses: [expect.anything()] });
  }

  // Where it was made, and where packages came from, is nobody's business.
  expect(text.match(/\w+:\/\/[^"]*/g)).toEqual(["http://cyclonedx.org/schema/bom-1.5.schema.json"]);
  for (const place of [root, homedir(), tmpdir(), hostname()]) expect(text).not.toContain(`${place}/`);
}, 120_000);

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { validate } from "dockerfile-utils";
import { expect, test } from "vitest";
import { buildContext } from "../support/packed.js";

const root = join(import.meta.dirname, "..", "..");
const dockerfile = readFileSync(join(root, "Dockerfile"), "utf8");
const lines = dockerfile.replace(/\\\n/g, "").split("\n");
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Instructions of one kind after the last FROM: what the image itself is. */
const ofImage = (instruction: string) =>
  lines
    .slice(lines.findLastIndex((line) => line.startsWith("FROM ")))
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length + 1));

test("the Dockerfile is without faults", () => {
  expect(validate(dockerfile)).toEqual([]);
  expect(validate(dockerfile.replace("USER ", "USSER "))).not.toEqual([]);
});

test("the build sees what it copies, and nothing else", () => {
  const copied = lines
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
    .flatMap((line) => line.split(/\s+/).slice(1, -1));
  for (const path of copied) expect(existsSync(join(root, path))).toBe(true);
  expect(buildContext().sort()).toEqual([...new Set(copied)].sort());
});

test("the image runs as another than root, and is asked for its health", () => {
  expect(ofImage("USER")).toEqual(["1000:1000"]);
  expect(ofImage("HEALTHCHECK")).toEqual([expect.stringContaining("/healthz")]);
});

test("signals reach the server, which is started as `npm start` starts it", () => {
  const [command = ""] = ofImage("CMD").slice(-1);
  expect(`exec ${JSON.parse(command).join(" ")}`).toBe(scripts.start);
  const unit = readFileSync(join(root, "deploy/systemd/user-mirror.service"), "utf8");
  const flags = /^ExecStart=\S+ (.*) \S+main\.js serve$/m.exec(unit)?.[1];
  expect(scripts.start).toContain(`node ${flags} dist/`);
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, ".github/workflows");
const names = readdirSync(folder);

interface Job {
  "runs-on"?: string;
  "timeout-minutes"?: number;
  permissions?: Record<string, string>;
  strategy?: { matrix: { node: string[] } };
  steps?: { uses?: string; run?: string }[];
}
interface Workflow {
  permissions: unknown;
  jobs: Record<string, Job>;
}

/** What GitHub's own parser says against it. */
async function complaintsAbout(name: string, content: string): Promise<string[]> {
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (value) await convertWorkflowTemplate(context, value);
  return context.errors.getErrors().map(({ message }) => message);
}

test("GitHub's parser finds what is wrong with a workflow", async () => {
  const broken = "on: push\njobs:\n  one:\n    runs-on: x\n    step: []\n";
  expect(await complaintsAbout("broken.yml", broken)).not.toEqual([]);
});

describe.each(names)("the workflow %s", (name) => {
  const text = readFileSync(join(folder, name), "utf8");
  const { permissions, jobs } = parse(text) as Workflow;
  const steps = Object.values(jobs).flatMap((job) => job.steps ?? []);

  test("is one that GitHub takes", async () => {
    expect(await complaintsAbout(name, text)).toEqual([]);
  });

  test("takes actions by commit, with the version beside it", () => {
    const used = text.match(/^.*uses: .*$/gm) ?? [];
    const pinned = /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;
    expect(used.filter((line) => !pinned.test(line) && !line.includes("uses: ./.github/workflows/"))).toEqual(
      [],
    );
  });

  test("may read the repository, and no more but where it publishes", () => {
    expect(permissions).toEqual({ contents: "read" });
    const more = Object.entries(jobs).filter(([, job]) => job.permissions);
    expect(more.map(([job]) => `${name} ${job}`)).toEqual(
      name === "release.yml" ? ["release.yml package", "release.yml image"] : [],
    );
    const checkouts = text.match(/uses: actions\/checkout@/g)?.length ?? 0;
    expect(text.match(/persist-credentials: false/g) ?? []).toHaveLength(checkouts);
  });

  test("ends by itself, and puts nothing of an event into a shell", () => {
    for (const job of Object.values(jobs))
      if (job.steps) expect(job["timeout-minutes"]).toBeLessThanOrEqual(60);
    expect(steps.filter(({ run }) => run?.includes("${{"))).toEqual([]);
  });

  test("runs scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const run = steps.flatMap((step) => [...(step.run ?? "").matchAll(/npm run (?:--silent )?([\w:]+)/g)]);
    for (const [, script] of run) expect(Object.keys(scripts)).toContain(script);
  });
});

test("every Node that is supported runs the gate before anything is published", () => {
  const ci = parse(readFileSync(join(folder, "ci.yml"), "utf8")) as Workflow;
  expect(ci.jobs.gate?.strategy?.matrix.node).toEqual(["20.19", "22", "24"]);
  const release = parse(readFileSync(join(folder, "release.yml"), "utf8"));
  expect(release.jobs.gate.uses).toBe("./.github/workflows/ci.yml");
  expect([release.jobs.package.needs, release.jobs.image.needs]).toEqual(["gate", "gate"]);
});

test("a release writes into the package from which repository it comes, before it packs and publishes it", () => {
  const release = parse(readFileSync(join(folder, "release.yml"), "utf8")) as Workflow;
  const runs = (release.jobs.package?.steps ?? []).map(({ run = "" }) => run);
  const at = (pattern: RegExp) => runs.findIndex((run) => pattern.test(run));
  const said = at(/npm pkg set .*repository\.url=/);
  expect(said).toBeGreaterThan(-1);
  expect(at(/^npm pack/)).toBeGreaterThan(said);
  expect(at(/^npm publish .*--provenance/)).toBeGreaterThan(at(/^npm pack/));
  // Only so does no fork publish under another one's address.
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(Object.keys(manifest).filter((key) => /^(repository|homepage|bugs)$/.test(key))).toEqual([]);
});

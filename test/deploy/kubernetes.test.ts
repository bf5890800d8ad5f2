import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Deployment, type IDeployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Service } from "kubernetes-models/v1/Service";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { packageVersion } from "../../src/lib/package.js";

const root = join(import.meta.dirname, "..", "..");
const readYaml = (name: string) => parse(readFileSync(join(root, "deploy/kubernetes", name), "utf8"));

const kustomization = readYaml("kustomization.yaml") as { resources: string[]; images: { newTag: string }[] };
const KINDS = { Deployment, Service, PodDisruptionBudget };
/** Where the types of each kind are. */
const GROUPS = { Deployment: "apps/v1", Service: "v1", PodDisruptionBudget: "policy/v1" };
type Kind = keyof typeof KINDS;

const folder = mkdtempSync(join(tmpdir(), "user-mirror-manifests-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What Kubernetes' schemas say against a manifest: values of a wrong kind, and what is missing. */
function faultsOf(manifest: { kind: string; apiVersion: string }): string[] {
  try {
    new KINDS[manifest.kind as Kind](manifest as never).validate();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/**
 * What the same schemas say against it as types. The schemas take members that they don't know; the compiler doesn't, so
 * that it sees a misspelled name.
 */
function unknownMembers(manifests: { kind: string }[]): string {
  const sources = manifests.map(({ kind, ...rest }, index) => {
    const group = GROUPS[kind as Kind];
    return `import type { I${kind} as T${index} } from "kubernetes-models/${group}/${kind}";
      export const m${index}: T${index} = ${JSON.stringify({ kind, ...rest })};`;
  });
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "node_modules"), { force: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "manifests.ts"), sources.join("\n"));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2023"];
  try {
    execFileSync(process.execPath, [tsc, ...flags, "manifests.ts"], { cwd: folder, encoding: "utf8" });
    return "";
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

const manifests = kustomization.resources.map(readYaml);
const deployment = readYaml("deployment.yaml") as IDeployment;
const pod = deployment.spec!.template.spec!;
const [container] = pod.containers;

describe("the manifests for Kubernetes", () => {
  test("follow Kubernetes' schemas, with no member that it doesn't know", () => {
    expect(manifests.map(({ kind }) => kind).sort()).toEqual(Object.keys(KINDS).sort());
    expect(manifests.flatMap(faultsOf)).toEqual([]);
    expect(unknownMembers(manifests)).toBe("");
  });

  test("would be refused with a fault or a misspelled member", () => {
    const replicas = { ...deployment, spec: { ...deployment.spec, replicas: "two" } };
    expect(faultsOf(replicas as never)).not.toEqual([]);
    const { livenessProbe, ...rest } = container!;
    const misspelled = structuredClone(deployment) as never as { kind: string; spec: typeof deployment.spec };
    misspelled.spec!.template.spec!.containers = [{ ...rest, livelinessProbe: livenessProbe } as never];
    expect(unknownMembers([misspelled])).toContain("livelinessProbe");
  });

  test("select each other, by a name that the port has too", () => {
    const labels = deployment.spec!.template.metadata!.labels;
    const [service, budget] = [readYaml("service.yaml"), readYaml("disruption-budget.yaml")];
    for (const selector of [
      deployment.spec!.selector.matchLabels,
      service.spec.selector,
      budget.spec.selector.matchLabels,
    ]) {
      expect(labels).toMatchObject(selector);
    }
    const port = container!.ports![0]!;
    expect([service.spec.ports[0].targetPort, container!.readinessProbe!.httpGet!.port]).toEqual([
      port.name,
      port.name,
    ]);
    expect(container!.env).toContainEqual({ name: "PORT", value: String(port.containerPort) });
  });

  test("keep one of two replicas through disruptions and roll-outs, and give each the time to stop", () => {
    expect(deployment.spec!.replicas).toBe(2);
    expect(deployment.spec!.strategy!.rollingUpdate!.maxUnavailable).toBe(0);
    expect(readYaml("disruption-budget.yaml").spec.maxUnavailable).toBe(1);
    // The pause before it stops, and the 20 seconds after which it is gone whatever happens.
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(5 + 20);
  });

  test("let it be nobody in particular, who writes nowhere and reads secrets from files", () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container!.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    const secret = container!.volumeMounts!.find(({ name }) => name === "secrets")!;
    const files = container!.env!.filter(({ name }) => name.endsWith("_FILE"));
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const { value } of files) expect(value).toMatch(new RegExp(`^${secret.mountPath}/[a-z-]+$`));
    expect(container!.env!.filter(({ name }) => /SECRET|DATABASE_URL|API_KEY/.test(name))).toEqual(files);
  });

  test("name the image of this version", () => {
    expect(kustomization.images.map(({ newTag }) => newTag)).toEqual([packageVersion()]);
  });
});

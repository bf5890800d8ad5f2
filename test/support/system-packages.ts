import { existsSync } from "node:fs";

export const POSTGRES_15 = "/usr/lib/postgresql/15/bin";
export const PGBOUNCER = "/usr/sbin/pgbouncer";

/** What `*.system.test.ts` run beside Node, and Debian's package that brings it. */
const NEEDED: readonly { program: string; debianPackage: string }[] = [
  { program: `${POSTGRES_15}/postgres`, debianPackage: "postgresql-15" },
  { program: PGBOUNCER, debianPackage: "pgbouncer" },
];

/** Vitest's global set-up of `npm run test:system`: ends the run at once, saying what is missing and how to get it. */
export default function refuseWithoutPackages(): void {
  const missing = NEEDED.filter(({ program }) => !existsSync(program));
  if (missing.length === 0) return;
  const programs = missing.map(({ program }) => program).join(", ");
  const packages = missing.map(({ debianPackage }) => debianPackage).join(" ");
  throw new Error(
    `These tests run programs that are missing here: ${programs}. On Debian 12: apt-get install ${packages}. ` +
      "All other tests need Node alone: npm test.",
  );
}

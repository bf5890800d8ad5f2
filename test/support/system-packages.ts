import { existsSync } from "node:fs";

export const POSTGRES_15 = "/usr/lib/postgresql/15/bin";
/** As the oracle of what `DATABASE_URL` may say. */
const PSQL = `${POSTGRES_15}/psql`;
const OPENSSL = "/usr/bin/openssl";
export const PGBOUNCER = "/usr/sbin/pgbouncer";
export const SYSTEMD_ANALYZE = "/usr/bin/systemd-analyze";
export const CHROMIUM = "/usr/bin/chromium";

/** What `*.system.test.ts` run beside Node, and Debian's package that brings it. */
const NEEDED: readonly { program: string; debianPackage: string }[] = [
  { program: `${POSTGRES_15}/postgres`, debianPackage: "postgresql-15" },
  { program: PSQL, debianPackage: "postgresql-client-15" },
  { program: OPENSSL, debianPackage: "openssl" },
  { program: PGBOUNCER, debianPackage: "pgbouncer" },
  { program: SYSTEMD_ANALYZE, debianPackage: "systemd" },
  { program: CHROMIUM, debianPackage: "chromium" },
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

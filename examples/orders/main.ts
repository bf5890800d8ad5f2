/**
 * An application with a Drizzle project of its own beside the mirror: its orders, joined with the users they are of.
 *
 *     DATABASE_URL=postgres://… npx tsx examples/orders/main.ts order user_1 42
 *     DATABASE_URL=postgres://… npx tsx examples/orders/main.ts report
 *
 * DATABASE_URL is the mirror's. Migrations of the application's own are made by `drizzle-kit generate` in this folder.
 */
import { join } from "node:path";
import { count, desc, eq, gt, isNull, sql, sum } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { mirrorOrganizationMemberships, mirrorUsers } from "user-mirror/schema";
import { orders } from "./schema.js";

const client = postgres(process.env.DATABASE_URL ?? "", { max: 1, onnotice: () => {} });
const db = drizzle(client);

const plan = sql<string | null>`${mirrorUsers.publicMetadata} ->> 'plan'`;
const paid = sum(orders.total).mapWith(Number);

/** Those who have paid most, with their plans. */
const bestCustomers = () =>
  db
    .select({ email: mirrorUsers.emailAddress, plan, paid })
    .from(orders)
    .innerJoin(mirrorUsers, eq(mirrorUsers.id, orders.userId))
    .groupBy(mirrorUsers.id, mirrorUsers.emailAddress, mirrorUsers.publicMetadata)
    .orderBy(desc(paid))
    .limit(10);

/** How much each organization's members have ordered in the last month. */
const organizations = () =>
  db
    .select({ organization: mirrorOrganizationMemberships.organizationId, orders: count(), paid })
    .from(orders)
    .innerJoin(mirrorOrganizationMemberships, eq(mirrorOrganizationMemberships.userId, orders.userId))
    .where(gt(orders.createdAt, sql`now() - interval '30 days'`))
    .groupBy(mirrorOrganizationMemberships.organizationId)
    .orderBy(desc(paid));

/** Orders whose user has been deleted, or was never there. */
const ofNobody = () =>
  db
    .select({ order: orders.id, user: orders.userId })
    .from(orders)
    .leftJoin(mirrorUsers, eq(mirrorUsers.id, orders.userId))
    .where(isNull(mirrorUsers.id))
    .orderBy(orders.id);

try {
  await migrate(db, { migrationsFolder: join(import.meta.dirname, "migrations") });
  const [command, userId = "", total = ""] = process.argv.slice(2);
  if (command === "order") {
    await db.insert(orders).values({ userId, total: Number(total) });
  } else {
    const report = {
      best: await bestCustomers(),
      organizations: await organizations(),
      ofNobody: await ofNobody(),
    };
    console.log(JSON.stringify(report));
  }
} finally {
  await client.end();
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

// One of the two engines that keep a copy of Stripe's objects, behind the least server that can hand it webhooks. Started as
// `stripe.mjs <package> <database url> <signing secret> <connections>`; prints its URL.

const [name = "", databaseUrl = "", secret = "", connections = ""] = process.argv.slice(2);
const API_VERSION = "2020-08-27";

// Both as CommonJS: the other build of @supabase/stripe-sync-engine can't find its own migrations (`__dirname`).
const { StripeSync, runMigrations } = createRequire(import.meta.url)(name);

const silent = { info() {}, warn() {} };
const logger = { ...silent, error: (...reasons) => console.error(name, ...reasons) };
/** An engine whose migrations fail says so and goes on: here it ends. */
const migrating = {
  ...silent,
  error(reason) {
    throw new Error(`the migrations of ${name} failed`, { cause: reason });
  },
};
const common = {
  poolConfig: { connectionString: databaseUrl, max: Number(connections) },
  stripeSecretKey: "sk_test_bench",
  stripeWebhookSecret: secret,
  stripeApiVersion: API_VERSION,
  logger,
};

const processWebhook = name === "@stripe/sync-engine" ? await startStripes() : await startSupabases();

async function startSupabases() {
  await runMigrations({ databaseUrl, schema: "stripe", logger: migrating });
  const sync = new StripeSync(common);
  return (payload, signature) => sync.processWebhook(payload, signature);
}

async function startStripes() {
  // It makes its tables from Stripe's OpenAPI document, which it would fetch from GitHub.
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-bench-"));
  try {
    const openApiSpecPath = join(folder, "openapi.json");
    writeFileSync(openApiSpecPath, JSON.stringify(openApi()));
    await runMigrations({ databaseUrl, stripeApiVersion: API_VERSION, openApiSpecPath, logger: migrating });
  } finally {
    rmSync(folder, { recursive: true });
  }
  const sync = await StripeSync.create({ ...common, stripeAccountId: "acct_bench" });
  return (payload, signature) => sync.webhook.processWebhook(payload, signature);
}

/** What Stripe's document has about customers in that version. */
function openApi() {
  const [text, whole, truth, json] = ["string", "integer", "boolean", "object"].map((type) => ({ type }));
  const properties = {
    ...{ id: text, object: text, address: json, balance: whole, currency: text, default_source: text },
    ...{ created: { ...whole, format: "unix-time" }, delinquent: truth, description: text, discount: json },
    ...{ email: text, invoice_prefix: text, invoice_settings: json, livemode: truth, metadata: json },
    ...{ name: text, next_invoice_sequence: whole, phone: text, shipping: json, tax_exempt: text },
    ...{
      preferred_locales: { type: "array", items: text },
      sources: json,
      subscriptions: json,
      tax_ids: json,
    },
  };
  const customer = { "x-resourceId": "customer", ...json, properties };
  return { openapi: "3.0.0", info: { version: API_VERSION }, components: { schemas: { customer } } };
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", async () => {
    try {
      await processWebhook(Buffer.concat(chunks), request.headers["stripe-signature"]);
      response.writeHead(200, { "Content-Type": "application/json" }).end('{"received":true}');
    } catch (error) {
      logger.error(error);
      response.writeHead(400).end();
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

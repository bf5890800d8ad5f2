import { createHmac } from "node:crypto";
import type { LoadRequest } from "../http/load.js";
import { randomOf } from "../people/random.js";

const CREATED_S = Date.UTC(2024, 0, 1) / 1000;

/** The n-th customer as Stripe would show it, the same every time; with its event it is as large as a user of Clerk's with its own. */
export function makeCustomer(n: number) {
  const random = randomOf(n, 2);
  const name = `Customer ${random.token(8)}`;
  const phone = `+1555${String(random.int(1e7)).padStart(7, "0")}`;
  const address = {
    ...{ city: "Berlin", country: "DE", line1: `${1 + random.int(300)} Long Street`, line2: null },
    ...{ postal_code: String(10_000 + random.int(80_000)), state: null },
  };
  return {
    id: `cus_${random.token(14)}`,
    object: "customer",
    address,
    balance: 0,
    created: CREATED_S + random.int(50_000_000),
    currency: "usd",
    default_source: null,
    delinquent: false,
    description: `The account of ${name}`,
    discount: null,
    email: `customer${n}@example.com`,
    invoice_prefix: random.token(8),
    invoice_settings: {
      ...{ custom_fields: null, default_payment_method: `pm_${random.token(24)}` },
      ...{ footer: null, rendering_options: null },
    },
    livemode: false,
    metadata: Object.fromEntries(
      Array.from({ length: METADATA_KEYS }, (_, key) => [`account_setting_${key}`, random.token(48)]),
    ),
    name,
    next_invoice_sequence: 1 + random.int(100),
    phone,
    preferred_locales: ["en"],
    shipping: { address, name, phone },
    tax_exempt: "none",
    test_clock: null,
  };
}

const METADATA_KEYS = 21;
/** Coprime to the number of customers, unless that is a multiple of it: neighbours in the load are none in the table. */
const STRIDE = 48_271;

const begunS = Math.floor(Date.now() / 1000);
let messages = 0;

/** Signed `customer.updated` events: a new name for so many customers in turn, each event a second newer than the one before. */
export function customerEvents(options: {
  customers: number;
  distinct: number;
  count: number;
  secret: string;
}): LoadRequest[] {
  const { customers, distinct, count, secret } = options;
  return Array.from({ length: count }, (_, position) => {
    const customer = makeCustomer(((position % distinct) * STRIDE) % customers);
    const created = begunS + ++messages;
    const body = JSON.stringify({
      ...{ id: `evt_bench_${messages}`, object: "event", api_version: "2020-08-27", created },
      data: {
        object: { ...customer, name: `Name${messages}` },
        previous_attributes: { name: customer.name },
      },
      ...{ livemode: false, pending_webhooks: 1, request: { id: null, idempotency_key: null } },
      type: "customer.updated",
    });
    const at = Math.floor(Date.now() / 1000);
    const signature = createHmac("sha256", secret).update(`${at}.${body}`).digest("hex");
    const headers = { "Content-Type": "application/json", "stripe-signature": `t=${at},v1=${signature}` };
    return { method: "POST", path: "/webhooks/stripe", headers, body };
  });
}

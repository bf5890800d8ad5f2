import { Hono } from "hono";
import { jsonBody, type SandboxEnv } from "./http.js";

/** Other routes of Clerk's that an application uses: just enough to see that requests for them are passed on. */
export function otherApi(instanceId: string): Hono<SandboxEnv> {
  const page = { data: [], total_count: 0 };
  return new Hono<SandboxEnv>()
    .get("/v1/instance", (c) =>
      c.json({ object: "instance", id: instanceId, environment_type: "development", allowed_origins: null }),
    )
    .get("/v1/jwks", (c) => c.json({ keys: [JWK] }))
    .get("/v1/sessions", (c) => c.json(c.req.query("paginated") === "true" ? page : []))
    .get("/v1/invitations", (c) => c.json(page))
    .get("/api_keys", (c) => c.json(page))
    .get("/m2m_tokens", (c) => c.json({ m2m_tokens: [], total_count: 0 }))
    .post("/oauth_applications/access_tokens/verify", async (c) => c.json({ received: await jsonBody(c) }));
}

/** Has the shape of a key set, but no token is signed with it. */
const JWK = { use: "sig", kty: "RSA", kid: "ins_sandbox", alg: "RS256", n: "sandbox", e: "AQAB" };

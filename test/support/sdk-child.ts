/**
 * A client of a running demo, for tests that choose the Node that it runs on: `node sdk-child.js URL KEY CLIENT`, where
 * CLIENT is the file of `user-mirror/client` as it was installed. Prints what it saw, as JSON.
 */
import { pathToFileURL } from "node:url";
import { createClerkClient } from "@clerk/backend";

const [url = "", apiKey = "", client = ""] = process.argv.slice(2);
const clerk = createClerkClient({ secretKey: apiKey, apiUrl: url });

const { data, totalCount } = await clerk.users.getUserList({ limit: 2, orderBy: "-created_at" });
const [user] = data;
if (!user) throw new Error("the list is empty");
await clerk.users.updateUserMetadata(user.id, { publicMetadata: { tried_on: process.version } });
const { publicMetadata } = await clerk.users.getUser(user.id);

const { createMirrorClient } = (await import(
  pathToFileURL(client).href
)) as typeof import("../../src/client/client.js");
const mirror = createMirrorClient({ baseUrl: url, apiKey });
const found = await mirror.users.query({ filter: { "public_metadata.tried_on": process.version } });

process.stdout.write(
  JSON.stringify({
    node: process.version,
    listed: data.length,
    totalCount,
    readBack: publicMetadata.tried_on,
    found: found.data.map(({ id }) => id === user.id),
  }),
);

import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** As nginx with `location <prefix>/ { proxy_pass <target>/; proxy_set_header X-Forwarded-Prefix <prefix>; }`. */
export async function startPrefixProxy(target: string, prefix: string) {
  const { hostname, port } = new URL(target);
  const listening = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith(`${prefix}/`)) return outgoing.writeHead(404).end();
    const onward = request(
      {
        ...{ hostname, port, method: incoming.method, path: incoming.url.slice(prefix.length) },
        headers: { ...incoming.headers, "x-forwarded-prefix": prefix },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  return {
    url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}${prefix}`,
    close() {
      listening.closeAllConnections();
      listening.close();
    },
  };
}

import { once } from "node:events";
import { type AddressInfo, connect as connectTo, createServer, type Socket } from "node:net";

/** A network between us and Postgres that can swallow everything, or refuse. */
export async function startNetwork(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let swallows = false;
  const server = createServer((inbound) => {
    const outbound = connectTo(Number(target.port), target.hostname);
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      from.on("data", (chunk) => {
        if (!swallows) to.write(chunk);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    cut,
    close: () => {
      cut();
      server.close();
    },
    swallow: () => {
      swallows = true;
    },
    heal: () => {
      swallows = false;
      cut();
    },
    refuse: () => {
      cut();
      server.close();
    },
    accept: async () => {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

import { once } from "node:events";
import { type AddressInfo, connect as connectTo, createServer, type Socket } from "node:net";

/** A network between us and Postgres that can swallow everything, or what is sent on connections that are open, or refuse. */
export async function startNetwork(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const deaf = new Set<Socket>();
  /** What a connection began with says who it is. */
  const hellos = new Map<Socket, { text: string }>();
  let swallows = false;
  let accepted = 0;
  let swallowed = 0;
  const server = createServer((inbound) => {
    accepted++;
    const hello = { text: "" };
    inbound.once("data", (chunk) => {
      hello.text = chunk.toString("latin1");
    });
    const outbound = connectTo(Number(target.port), target.hostname);
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(from);
      hellos.set(from, hello);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        hellos.delete(from);
        to.destroy();
      });
      from.on("data", (chunk) => {
        if (swallows || deaf.has(from)) swallowed++;
        else to.write(chunk);
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
    /** The connections that are open now carry nothing from here on; new ones do. */
    swallowOpen: (which: (hello: string) => boolean = () => true) => {
      for (const socket of sockets) if (which(hellos.get(socket)?.text ?? "")) deaf.add(socket);
    },
    /** How many connections that were made to swallow are still open: somebody takes them for whole. */
    swallowing: () => [...deaf].filter((socket) => socket.localPort === port && sockets.has(socket)).length,
    /** The sockets of the connections that are open, on our side. */
    connections: () => [...sockets].filter((socket) => socket.localPort === port),
    /** How many pieces were swallowed. */
    swallowed: () => swallowed,
    /** How many connections were accepted, ever. */
    accepted: () => accepted,
    /** How many of them are open. */
    open: () => sockets.size / 2,
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

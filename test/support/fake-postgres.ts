import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/** What a client says of itself until it has sent its password. */
export interface Introduction {
  parameters: Record<string, string>;
  password: string | null;
}

/** A listener that lets Postgres clients introduce themselves, and then refuses them. No TLS. */
export async function startFakePostgres(path?: string) {
  const introductions: Introduction[] = [];
  const server = createServer((socket) => void listenTo(socket, introductions).catch(() => socket.destroy()));
  server.listen(path ? { path } : { port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    /** What was heard since the last call. */
    heard: () => introductions.splice(0),
    close: () => server.close(),
  };
}

async function listenTo(socket: Socket, introductions: Introduction[]): Promise<void> {
  socket.on("error", () => {});
  let buffered = Buffer.alloc(0);
  const chunks = socket[Symbol.asyncIterator]();
  const read = async (length: number) => {
    while (buffered.length < length) {
      const { value, done } = await chunks.next();
      if (done) throw new Error("it ended");
      buffered = Buffer.concat([buffered, value as Buffer]);
    }
    const taken = buffered.subarray(0, length);
    buffered = buffered.subarray(length);
    return taken;
  };
  const body = async () => read((await read(4)).readInt32BE() - 4);
  let start = await body();
  // Requests for TLS and GSSAPI.
  while ([80877103, 80877104].includes(start.readInt32BE())) {
    socket.write("N");
    start = await body();
  }
  const words = start.subarray(4).toString().split("\0");
  const parameters: Record<string, string> = {};
  for (let i = 0; words[i]; i += 2) parameters[words[i] ?? ""] = words[i + 1] ?? "";
  socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
  const introduction: Introduction = { parameters, password: null };
  try {
    await read(1);
    introduction.password = (await body()).toString().replace(/\0$/, "");
  } catch {
    // A client that has none leaves here.
  }
  introductions.push(introduction);
  const error = Buffer.from("SFATAL\0C28P01\0Mrefused\0\0");
  const head = Buffer.from([0x45, 0, 0, 0, error.length + 4]);
  socket.end(Buffer.concat([head, error]));
}

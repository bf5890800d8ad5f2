import { afterEach } from "vitest";
import { createMirrorClient, type MirrorClientOptions } from "../../src/client/client.js";
import { type Answer, type ScriptedServer, startScriptedServer } from "./scripted-server.js";

/** Clients of a scripted server each, in the tests of the file that calls this. */
export function scriptedClients() {
  let server: ScriptedServer | null = null;

  async function close() {
    const closing = server?.close();
    server = null;
    await closing;
  }

  afterEach(close);

  return {
    /** The server ends with the test, or when there is another one. */
    async clientOf(answers: readonly Answer[], options: Partial<MirrorClientOptions> = {}) {
      await close();
      server = await startScriptedServer(answers);
      return createMirrorClient({ baseUrl: `${server.url}/`, apiKey: "um_key", ...options });
    },
    /** What the newest server was asked. */
    requests: () => server?.requests ?? [],
    close,
  };
}

export interface ServerEvent {
  event: string;
  id: string | null;
  data: Record<string, unknown>;
}

/** The events of an answer, as they arrive. Ends with the answer; throws when it is cut. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = new Map(
        block.split("\n").map((line) => [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)]),
      );
      const event = fields.get("event");
      if (event)
        yield { event, id: fields.get("id") ?? null, data: JSON.parse(fields.get("data") ?? "null") };
    }
  }
}

/** An event of a stream as the HTML standard's "server-sent events" defines them. */
export interface ServerEvent {
  type: string;
  /** The last id that was sent, with this event or before it. */
  id: string;
  data: string;
}

/** The events in these lines. An event that no empty line ends is left out, as the standard says. */
export async function* eventsIn(lines: AsyncIterable<string>): AsyncGenerator<ServerEvent, void, undefined> {
  let [type, id, data] = ["", "", [] as string[]];
  let isFirst = true;
  for await (const raw of lines) {
    const line = isFirst ? raw.replace(/^\uFEFF/, "") : raw;
    isFirst = false;
    if (line === "") {
      if (type !== "" || data.length > 0) yield { type: type || "message", id, data: data.join("\n") };
      [type, data] = ["", []];
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") type = value;
    else if (name === "data") data.push(value);
    else if (name === "id" && !value.includes("\0")) id = value;
  }
}

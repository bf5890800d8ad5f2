import type { HtmlEscapedString } from "hono/utils/html";

/** The text of what a component makes, once all inside of it that waits for something is there. */
export async function htmlOf(element: HtmlEscapedString | Promise<HtmlEscapedString>): Promise<string> {
  return String(await (await element).toString());
}

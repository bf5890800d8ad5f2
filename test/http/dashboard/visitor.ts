/** An app, or a server that is reached over the network. */
export interface Requested {
  request(path: string, init?: RequestInit): Response | Promise<Response>;
}

type Fields = Readonly<Record<string, string>>;

export const overNetwork = (url: string): Requested => ({
  request: (path, init) => fetch(url + path, { redirect: "manual", ...init }),
});

export type Visitor = Awaited<ReturnType<typeof signedIn>>;

/** A browser without scripts: it keeps the session's cookie and sends forms. */
export async function signedIn(app: Requested, key: string, fields: Fields = {}, headers: Fields = {}) {
  const send = (path: string, form: Fields, more: Fields) =>
    app.request(path, {
      method: "POST",
      body: new URLSearchParams(form),
      headers: { "Content-Type": "application/x-www-form-urlencoded", ...more },
    });
  const answer = await send("/dashboard/sign-in", { key, ...fields }, headers);
  const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
  const get = (path: string, more: Fields = {}) =>
    app.request(path, { headers: { Cookie: cookie, ...more } });
  return {
    answer,
    cookie,
    get,
    post: (path: string, form: Fields, more: Fields = {}) => send(path, form, { Cookie: cookie, ...more }),
    /** What the forms of this session bring. */
    async csrf(): Promise<string> {
      const page = await (await get("/dashboard/")).text();
      return /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
    },
  };
}

import type { Target } from "../http/processes.js";
import { KEY } from "../queries/asking.js";

/** One who has signed in to the dashboard. */
export interface Visitor {
  cookie: string;
}

export async function signIn({ url }: Target): Promise<Visitor> {
  const answer = await fetch(`${url}/dashboard/sign-in`, {
    ...{ method: "POST", body: new URLSearchParams({ key: KEY }), redirect: "manual" },
  });
  const [cookie] = answer.headers.getSetCookie();
  if (answer.status !== 303 || !cookie) throw new Error(`signing in answered ${answer.status}`);
  return { cookie: cookie.split(";")[0] ?? "" };
}

import { CLERK_ROUTES, type ClerkRoute } from "../../src/upstream/clerk-routes.js";

/** A path that the route answers and no other: an id for each parameter, and for the rest a word that is nobody's id. */
export const examplePath = ({ template }: ClerkRoute): string =>
  template.replaceAll(/\{\w+\}/g, "x_1").replace("**", "count/x_2");

/** The methods that the route answers on its own template: for `write` and `any`, those that no other entry names. */
export function methodsOf({ method, template }: ClerkRoute): string[] {
  if (method !== "write" && method !== "any") return [method];
  const named = CLERK_ROUTES.filter((other) => other.template === template).map((other) => other.method);
  const all =
    method === "any" ? ["GET", "POST", "PUT", "PATCH", "DELETE"] : ["POST", "PUT", "PATCH", "DELETE"];
  return all.filter((one) => !named.includes(one as ClerkRoute["method"]));
}

/**
 * Whether a page of another site sent this request, by what browsers say themselves and no page can change. Requests of other
 * programs say nothing of it.
 */
export function isOfAnotherSite(header: (name: string) => string | undefined): boolean {
  const site = header("Sec-Fetch-Site");
  if (site !== undefined) return site === "cross-site" || site === "same-site";
  // Browsers send it over HTTPS and to this machine alone; over HTTP they name the page's origin, `null` where it has none.
  const origin = header("Origin");
  if (origin === undefined) return false;
  const named = [header("Host"), ...(header("X-Forwarded-Host")?.split(",") ?? [])];
  return !named.some((host) => isOrigin(origin, host?.trim()));
}

function isOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const own = `${new URL(origin).protocol}//${host}`;
  return URL.canParse(own) && new URL(own).origin === origin;
}

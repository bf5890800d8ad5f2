import { serialize } from "hono/utils/cookie";
import type { Theme } from "./visit.js";

export const SESSION_COOKIE = "user_mirror_session";
export const THEME_COOKIE = "user_mirror_theme";
const A_YEAR_SECONDS = 31_536_000;

/** Kept from scripts and from other sites' requests. An empty value ends the session in this browser. */
export const sessionCookie = (
  value: string,
  { path, secure, maxAgeSeconds }: { path: string; secure: boolean; maxAgeSeconds: number },
): string =>
  serialize(SESSION_COOKIE, value, { path, secure, maxAge: maxAgeSeconds, httpOnly: true, sameSite: "Lax" });

export const themeCookie = (theme: Theme, path: string): string =>
  serialize(THEME_COOKIE, theme, { path, maxAge: A_YEAR_SECONDS, httpOnly: true, sameSite: "Lax" });

export const themeOf = (value: string | undefined): Theme =>
  value === "dark" || value === "light" ? value : "auto";

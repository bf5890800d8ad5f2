import { hostname, networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { isLoopback, isOwnAddress } from "../../src/lib/own-address.js";

const outward = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

test.each<[string, string]>([
  ["http://127.0.0.1:8787", "127.0.0.1"],
  ["http://localhost:8787", "127.0.0.1"],
  ["http://LOCALHOST.:8787", "127.0.0.1"],
  ["http://mirror.localhost:8787", "127.0.0.1"],
  ["http://127.1:8787", "127.0.0.1"],
  ["http://[::1]:8787", "localhost"],
  ["http://0.0.0.0:8787", "127.0.0.1"],
  ["http://[::]:8787", "::1"],
  ["http://[::ffff:127.0.0.1]:8787", "127.0.0.1"],
  ["http://localhost:8787/clerk", "0.0.0.0"],
  ["http://127.0.0.1:8787", "::"],
  ["http://127.0.0.9:8787", "0.0.0.0"],
  ["https://localhost:8787", "localhost"],
  [`http://${hostname()}:8787`, "0.0.0.0"],
  ["http://10.1.2.3:8787", "10.1.2.3"],
  ["http://mirror.internal:8787", "Mirror.internal"],
  [`http://${outward ?? "127.0.0.1"}:8787`, "::"],
])("%s is where a server on %s and that port listens", (url, host) => {
  expect(isOwnAddress(url, { host, port: 8787 })).toBe(true);
});

test("a port that isn't written is the protocol's", () => {
  expect(isOwnAddress("http://localhost", { host: "127.0.0.1", port: 80 })).toBe(true);
  expect(isOwnAddress("https://localhost", { host: "127.0.0.1", port: 443 })).toBe(true);
  expect(isOwnAddress("https://localhost", { host: "127.0.0.1", port: 80 })).toBe(false);
});

test.each([
  ["http://127.0.0.1:8788", "127.0.0.1", 8787],
  ["http://127.0.0.1:8787", "127.0.0.1", 0],
  ["http://127.0.0.1:8787", "10.1.2.3", 8787],
  ["http://10.1.2.3:8787", "127.0.0.1", 8787],
  ["https://api.clerk.com", "0.0.0.0", 443],
])("%s isn't where a server on %s, port %d listens", (url, host, port) => {
  expect(isOwnAddress(url, { host, port })).toBe(false);
});

test.each([
  "127.0.0.1",
  "127.8.9.10",
  "::1",
  "[::1]",
  "::ffff:127.0.0.1",
  "localhost",
  "LOCALHOST.",
  "a.localhost",
])("%s is reached from this machine alone", (host) => expect(isLoopback(host)).toBe(true));

test.each([
  "0.0.0.0",
  "::",
  "",
  "10.1.2.3",
  "128.0.0.1",
  "mirror.internal",
  "notlocalhost",
  "localhost.example.com",
])("%s is reached from elsewhere", (host) => expect(isLoopback(host)).toBe(false));

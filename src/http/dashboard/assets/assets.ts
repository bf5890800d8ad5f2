import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** A file that pages use, as it is sent. */
export interface Asset {
  type: string;
  /** Part of its address, so that a browser may keep it for ever. */
  hash: string;
  plain: Uint8Array<ArrayBuffer>;
  gzip: Uint8Array<ArrayBuffer>;
  br: Uint8Array<ArrayBuffer>;
}

const JAVASCRIPT = "text/javascript; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const require = createRequire(import.meta.url);
const own = (name: string) => join(import.meta.dirname, "files", name);

/** Where each of them lies, by the name in its address. */
const FILES = {
  "htmx.js": { path: () => require.resolve("htmx.org/dist/htmx.min.js"), type: JAVASCRIPT },
  "uplot.js": { path: () => require.resolve("uplot/dist/uPlot.iife.min.js"), type: JAVASCRIPT },
  "uplot.css": { path: () => require.resolve("uplot/dist/uPlot.min.css"), type: CSS },
  "dashboard.js": { path: () => own("dashboard.js"), type: JAVASCRIPT },
  "entered.js": { path: () => own("entered.js"), type: JAVASCRIPT },
  "dashboard.css": { path: () => own("dashboard.css"), type: CSS },
  "icon.svg": { path: () => own("icon.svg"), type: "image/svg+xml" },
} as const;

export type AssetName = keyof typeof FILES;
export const ASSET_NAMES = Object.keys(FILES) as AssetName[];

const read = new Map<AssetName, Asset>();

/** Reads and compresses the file when it is first asked for. */
export function asset(name: AssetName): Asset {
  const known = read.get(name);
  if (known) return known;
  const { path, type } = FILES[name];
  const plain = new Uint8Array(readFileSync(path()));
  const made: Asset = {
    type,
    hash: hash("sha256", plain, "hex").slice(0, 16),
    plain,
    gzip: new Uint8Array(gzipSync(plain, { level: 9 })),
    br: new Uint8Array(brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })),
  };
  read.set(name, made);
  return made;
}

/** The path of an asset below the dashboard's. */
export const assetPath = (name: AssetName) => `assets/${asset(name).hash}/${name}`;

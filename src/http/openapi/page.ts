import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** A file of the page, as it is sent. */
export interface PageFile {
  type: string;
  plain: Uint8Array<ArrayBuffer>;
  gzip: Uint8Array<ArrayBuffer>;
}

/**
 * The page shows the description with Swagger UI, all of whose files come from here. Addresses in it are relative to its own, so
 * that it works below any prefix.
 */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>User Mirror: the API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<noscript>The API is described in <a href="openapi.json">openapi.json</a>; this page needs JavaScript to show it.</noscript>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({
  url: new URL("openapi.json", location.href).href,
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  filter: true,
  // A server of its own would be told of the description otherwise.
  validatorUrl: null,
});
`;

const TYPES = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
} as const;

const require = createRequire(import.meta.url);
const files = new Map<string, Promise<PageFile>>();

/** Null: the page has no such file. It is read and compressed when it is first asked for. */
export function pageFile(name: string): Promise<PageFile> | null {
  const known = files.get(name);
  if (known) return known;
  const made =
    name === "start.js"
      ? compressed("text/javascript; charset=utf-8", Buffer.from(START))
      : Object.hasOwn(TYPES, name)
        ? readPageFile(name as keyof typeof TYPES)
        : null;
  if (made) {
    files.set(name, made);
    made.catch(() => files.delete(name));
  }
  return made;
}

const readPageFile = async (name: keyof typeof TYPES) =>
  compressed(TYPES[name], await readFile(join(folder(), name)));

/** The build copies them beside this file, so that who installs the package doesn't install Swagger UI with all its variants. */
function folder(): string {
  const copied = join(import.meta.dirname, "swagger");
  if (existsSync(copied)) return copied;
  return dirname(require.resolve("swagger-ui-dist/package.json"));
}

async function compressed(type: string, content: Buffer): Promise<PageFile> {
  return { type, plain: new Uint8Array(content), gzip: new Uint8Array(await promisify(gzip)(content)) };
}

import { register } from "node:module";

/**
 * `openapi-typescript` prints types with the JavaScript API of TypeScript, which TypeScript 7 doesn't have. Loaded by `--import`, this
 * gives it that of TypeScript 6.
 */
const resolveHook = `export const resolve = (specifier, context, next) =>
  next(specifier === "typescript" ? "@ts-morph/common/dist/typescript.js" : specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(resolveHook)}`);

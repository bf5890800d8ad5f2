import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formatsPlugin from "ajv-formats";
import { openApi } from "../../src/http/openapi/document.js";

const document = openApi();

const compiled = new Map<string, ValidateFunction>();

/** What is wrong with a value by a schema of the description; nothing: it is valid. */
function schemaProblems(schema: object, value: unknown): string[] {
  const name = JSON.stringify(schema);
  let validate = compiled.get(name);
  if (!validate) {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    formatsPlugin.default(ajv);
    validate = ajv.compile({ ...schema, components: document.components });
    compiled.set(name, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}

/** The same by a schema's name. */
export const componentProblems = (name: string, value: unknown) =>
  schemaProblems({ $ref: `#/components/schemas/${name}` }, value);

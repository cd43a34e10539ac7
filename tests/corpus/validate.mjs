// Validates JSON documents by a JSON schema: node validate.mjs SCHEMA <FILES, one name a line. Prints one object:
// each file's name to its first error, or to null.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The packages stand with those of the end-to-end tests.
const require = createRequire(new URL("../e2e/package.json", import.meta.url));
const Ajv = require("ajv");
const addFormats = require("ajv-formats");

const text = readFileSync(process.argv[2], "utf8").replace(/^\uFEFF/, "");
// A "$ref" is a URI, where an "@" in a fragment's definition is written %40 for ajv.
const schema = JSON.parse(text.replaceAll('"#/definitions/@context"', '"#/definitions/%40context"'));
const ajv = new Ajv({ strict: false });
addFormats(ajv);
const validate = ajv.compile(schema);

const verdicts = {};
for (const name of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const valid = validate(JSON.parse(readFileSync(name, "utf8")));
  const error = valid ? null : validate.errors[0];
  verdicts[name] = error && `${error.instancePath || "/"} ${error.message} ${JSON.stringify(error.params)}`;
}
console.log(JSON.stringify(verdicts));

// Validates JSON documents by a JSON schema: node validate.mjs SCHEMA <FILES, one name a line. Prints one object:
// each file's name to {error, words}: its first error or null; whether all that is wrong is that words, which the
// schema does not list, have not the form of a URI either.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The packages stand with those of the end-to-end tests.
const require = createRequire(new URL("../e2e/package.json", import.meta.url));
const Ajv = require("ajv");
const addFormats = require("ajv-formats");

const text = readFileSync(process.argv[2], "utf8").replace(/^\uFEFF/, "");
// A "$ref" is a URI, where an "@" in a fragment's definition is written %40 for ajv.
const schema = JSON.parse(text.replaceAll('"#/definitions/@context"', '"#/definitions/%40context"'));
function validator(adjust) {
  const ajv = new Ajv({ strict: false });
  addFormats(ajv);
  adjust(ajv);
  return ajv.compile(schema);
}
const validate = validator(() => {});
const validateAllButWords = validator((ajv) => ajv.addFormat("uri", true));

const verdicts = {};
for (const name of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const document = JSON.parse(readFileSync(name, "utf8"));
  const fault = validate(document) ? null : validate.errors[0];
  verdicts[name] = {
    error: fault && `${fault.instancePath || "/"} ${fault.message} ${JSON.stringify(fault.params)}`,
    words: fault !== null && validateAllButWords(document),
  };
}
console.log(JSON.stringify(verdicts));

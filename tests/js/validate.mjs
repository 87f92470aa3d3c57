// Compares an endpoint with graphql-js: node validate.mjs URL [--documents FILE] [--header NAME:VALUE ...]
//
// - Its introspection must build a schema that graphql-js finds no fault with.
// - For every document of the list, the endpoint's verdict (would it run?) must equal that of graphql-js's `parse` and `validate`.
// FILE is a JSON list of texts, or of { "query", "variables" }; a valid one is run, so the list holds no mutation that would act.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildClientSchema, getIntrospectionQuery, parse, validate, validateSchema } from 'graphql';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: 'string', default: new URL('documents.json', import.meta.url).pathname },
    header: { type: 'string', multiple: true, default: [] },
  },
});
const [url] = positionals;
if (!url) {
  console.error('usage: node validate.mjs URL [--documents FILE] [--header NAME:VALUE ...]');
  process.exit(2);
}
const extra = options.header.map((header) => [header.slice(0, header.indexOf(':')), header.slice(header.indexOf(':') + 1).trim()]);

async function ask(body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: [['content-type', 'application/json'], ['accept', 'application/graphql-response+json'], ...extra],
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

let faults = 0;
const fault = (text) => {
  faults += 1;
  console.log(text);
};

const query = getIntrospectionQuery({
  descriptions: true,
  specifiedByUrl: true,
  directiveIsRepeatable: true,
  schemaDescription: true,
  inputValueDeprecation: true,
  oneOf: true,
});
const introspection = await ask({ query });
if (!introspection.body.data || introspection.body.errors) {
  fault(`introspection failed: ${JSON.stringify(introspection.body.errors)}`);
  process.exit(1);
}
const schema = buildClientSchema(introspection.body.data);
for (const error of validateSchema(schema)) fault(`schema: ${error.message}`);

function theirs(text) {
  try {
    return validate(schema, parse(text)).map((error) => error.message);
  } catch (error) {
    return [error.message];
  }
}

const documents = JSON.parse(readFileSync(options.documents, 'utf8')).map((item) => (typeof item === 'string' ? { query: item } : item));
for (const document of documents) {
  const expected = theirs(document.query);
  const { status, body } = await ask(document);
  if (status >= 500) fault(`${status} for ${document.query}`);
  const valid = 'data' in body;
  if (valid !== (expected.length === 0)) {
    const words = valid ? expected : body.errors.map((error) => error.message);
    fault(`graphql-js says ${expected.length === 0 ? 'valid' : 'invalid'}, we say ${valid ? 'valid' : 'invalid'}: ${document.query}\n  ${words.join('\n  ')}`);
  }
}
console.log(`${documents.length} documents compared, ${faults} faults`);
process.exit(faults === 0 && documents.length > 0 ? 0 : 1);

// The schema and the playground's examples under the rules of @graphql-eslint: node lint.mjs
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import graphql from '@graphql-eslint/eslint-plugin';
import { ESLint } from 'eslint';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SCHEMA = 'schema/schema.graphql';
const OPERATIONS = 'playground/examples/*.graphql';

// Rules that are not followed to the letter, and why. One that the schema follows by now must leave this list.
const EXCEPTIONS = {
  // Relay's specification allows lists beside connections: closed and short ones are @listSize, and `nodes` spares clients the edges.
  // Rows of a breakdown and visitors are computed for the request, so nothing can refetch them by ID.
  'relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false }],
  // `breakdown` and `visitors` are ordered by a metric and read from the top: the specification asks for one direction.
  'relay-arguments': ['error', { includeBoth: false }],
  // Types with identity implement Node, which has `id: ID!`; the others are values, such as Metrics and Money.
  'strict-id-in-types': 'off',
  // `Visitor.visitorId` cannot be `id`, which is a global ID everywhere: a visitor is no node. TrackedEvent has the same field.
  'no-typename-prefix': 'off',
};

const named = (rules) => Object.fromEntries(Object.entries(rules).map(([name, rule]) => [`@graphql-eslint/${name}`, rule]));
const rulesOf = (...sets) => Object.assign({}, ...sets.map((set) => graphql.configs[`flat/${set}`].rules));

/** The findings, by rule. `exceptions`: what is not followed to the letter. */
async function findings(exceptions) {
  const config = (files, rules) => ({
    files: [files],
    plugins: { '@graphql-eslint': graphql },
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: `${root}/${SCHEMA}`, documents: `${root}/${OPERATIONS}` } } },
    rules,
  });
  const schema = { ...rulesOf('schema-recommended', 'schema-relay'), ...named(exceptions) };
  const eslint = new ESLint({
    cwd: root, overrideConfigFile: true,
    overrideConfig: [config(SCHEMA, schema), config(OPERATIONS, rulesOf('operations-recommended'))],
  });
  const results = await eslint.lintFiles([SCHEMA, OPERATIONS]);
  assert.ok(results.length > 8, 'schema and examples were read');
  return results.flatMap(({ filePath, messages }) => messages.map((found) => ({ ...found, filePath })));
}

const found = await findings(EXCEPTIONS);
assert.deepEqual(found.map(({ filePath, line, ruleId, message }) => `${filePath}:${line} ${ruleId} ${message}`), []);
const strict = new Set((await findings({})).map(({ ruleId }) => ruleId));
assert.deepEqual([...strict].sort(), Object.keys(named(EXCEPTIONS)).sort(), 'each exception is needed');
console.log(`ok ${Object.keys(rulesOf('schema-recommended', 'schema-relay', 'operations-recommended')).length} rules`);

// Types for TypeScript by schema/codegen.yml, for the playground's examples, compiled with tsc --strict: node codegen.mjs
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const folder = mkdtempSync(join(tmpdir(), 'codegen-'));

function run(tool, ...options) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(here, 'node_modules/.bin', tool), ...options], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, `${tool}: ${stdout}${stderr}`);
}

// What a client relies on: each line is an error where the types say something else.
const USE = `
import type { ErrorCode, Metric, Money, Team, Visitor } from './footfall';
import type { YourWebsitesQuery } from './operations';

const money: Money = { amount: '49.9', currency: 'EUR' };
const code: ErrorCode = 'NOT_FOUND';
const metric: Metric = 'VISIT_DURATION_SECONDS';
export const cents = (value: Money): number => Math.round(Number(value.amount) * 100);
export const ids = (team: Team, visitor: Visitor): [string, string, string] => [team.id, team.databaseId, visitor.visitorId];
export const domains = (data: YourWebsitesQuery): string[] => data.viewer?.websites.nodes.map((node) => node.domain) ?? [];
// @ts-expect-error an amount is no number
const wrong: Money = { amount: 49.9, currency: 'EUR' };
export { code, metric, money, wrong };
`;

try {
  for (const name of ['schema.graphql', 'codegen.yml']) copyFileSync(join(root, 'schema', name), join(folder, name));
  const examples = join(root, 'playground/examples');
  const documents = readdirSync(examples).filter((name) => name.endsWith('.graphql'));
  for (const name of documents) copyFileSync(join(examples, name), join(folder, name));
  symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
  run('graphql-codegen', '--config', 'codegen.yml');
  writeFileSync(join(folder, 'use.ts'), USE);
  run('tsc', '--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck', 'false', 'footfall.ts', 'operations.ts', 'use.ts');
  const types = readFileSync(join(folder, 'footfall.ts'), 'utf8');
  console.log(`ok ${documents.length} documents, ${types.split('\n').length} lines of types`);
} finally {
  rmSync(folder, { recursive: true });
}

// Runs the audits of the `graphql-http` project against an endpoint: node audits.mjs URL [HEADER:VALUE ...]
// Prints what failed and exits with 1 unless every audit passes.
import { serverAudits } from 'graphql-http';

const [url, ...headers] = process.argv.slice(2);
if (!url) {
  console.error('usage: node audits.mjs URL [HEADER:VALUE ...]');
  process.exit(2);
}
const extra = headers.map((header) => [header.slice(0, header.indexOf(':')), header.slice(header.indexOf(':') + 1).trim()]);
const fetchFn = (input, init = {}) => fetch(input, { ...init, headers: [...Object.entries(init.headers ?? {}), ...extra] });

let passed = 0;
let failed = 0;
for (const audit of serverAudits({ url, fetchFn })) {
  const result = await audit.fn();
  if (result.status === 'ok') {
    passed += 1;
  } else {
    failed += 1;
    console.log(`${result.status.toUpperCase()} ${audit.id} ${audit.name}\n  ${result.reason}`);
  }
}
console.log(`${passed} of ${passed + failed} audits passed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

// Minifies z.js into the folder of what is embedded in the binary, and refuses a tracker that has grown too big.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const LIMIT = 3.5 * 1024; // bytes, packed with `gzip -9`

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { buildSync } = createRequire(here('../../playground/package.json'))('esbuild');
const dist = here('../../playground/dist/');
mkdirSync(dist, { recursive: true });

buildSync({ entryPoints: [here('z.js')], outfile: dist + 'z.min.js', minify: true, target: 'es2018', legalComments: 'none', logLevel: 'warning' });
for (const file of ['footfall.mjs', 'footfall.d.ts']) copyFileSync(here(file), dist + file);

const script = readFileSync(dist + 'z.min.js');
const size = execFileSync('gzip', ['-9', '-n', '-c'], { input: script }).length;
console.log(`z.min.js: ${script.length} bytes, ${size} with gzip -9 (at most ${LIMIT})`);
if (size > LIMIT) process.exit(1);

// Bundles the playground into dist/: one script, one style sheet, one page; nothing is fetched from elsewhere at run time.
import { build } from 'esbuild';
import { copyFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
await mkdir(here('dist'), { recursive: true });
await build({
  entryPoints: [here('src/main.jsx')],
  outdir: here('dist'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.woff': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl', '.svg': 'dataurl' },
  // Licences of what is bundled, in a file beside it.
  legalComments: 'linked',
});
await copyFile(here('index.html'), here('dist/index.html'));
await copyFile(here('src/icon.svg'), here('dist/icon.svg'));
await mkdir(here('dist/docs'), { recursive: true });
for (const name of ['API.md', 'METRICS.md']) {
  await copyFile(here(`../docs/${name}`), here(`dist/docs/${name}`));
}
for (const file of ['tracker.html', 'src/tracker.css', 'src/tracker.js', 'reference.html', 'src/reference.css', 'src/reference.js']) {
  await copyFile(here(file), here(`dist/${file.replace('src/', '')}`));
}

// Builds the static page's widget bundle and puts MathJax together, byte for byte the same on each run:
//   npm ci && node build.mjs ANYWIDGET_INDEX_JS [OUT_DIR]
// ANYWIDGET_INDEX_JS is the file of the locked anywidget Python package, PREFIX/share/jupyter/nbextensions/anywidget/index.js.
// OUT_DIR gets widgets/ and mathjax/; without it they go where the site takes them from.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const [anywidgetAmd, out = path.join(here, '..')] = process.argv.slice(2);
if (!anywidgetAmd || !fs.existsSync(anywidgetAmd)) {
  console.error(`usage: node build.mjs ANYWIDGET_INDEX_JS [OUT_DIR]\nno such file: ${anywidgetAmd}`);
  process.exit(1);
}

// anywidget ships an AMD module: turn its define(deps, factory) into a default export of the factory.
const anywidgetFactory = {
  name: 'anywidget-factory',
  setup(build) {
    build.onResolve({ filter: /^anywidget-factory$/ }, () => ({ path: 'anywidget', namespace: 'anywidget' }));
    build.onLoad({ filter: /.*/, namespace: 'anywidget' }, () => ({
      contents: `let F; const define = (deps, factory) => { F = factory };\n${fs.readFileSync(anywidgetAmd, 'utf8')}\nexport default F;`,
      loader: 'js',
    }));
  },
};

const result = await esbuild.build({
  absWorkingDir: here,
  entryPoints: ['entry.js'],
  outfile: path.join(out, 'widgets', 'widgets.js'),
  bundle: true, minify: true, format: 'iife', metafile: true,
  plugins: [anywidgetFactory],
  alias: { 'sanitize-html': './sanitize-stub.js' },
  legalComments: 'none',
  loader: { '.svg': 'dataurl', '.woff2': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"' },
});

const packageOf = (input) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1];
const packages = [...new Set(Object.keys(result.metafile.inputs).map(packageOf).filter(Boolean)), 'mathjax'].sort();
const notices = packages.map((name) => {
  const folder = path.join(here, 'node_modules', name);
  const { version, license } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = fs.readdirSync(folder).sort().find((f) => /^(licen[cs]e|copying)/i.test(f));
  const text = file ? fs.readFileSync(path.join(folder, file), 'utf8').trim() : `Licence: ${license}`;
  return `${name} ${version} (${license})\n\n${text}\n`;
});
const anywidget = `anywidget (MIT)\n\nCopyright (c) Trevor Manz. The permission notice of the MIT licence, as in the project's LICENSE, applies.\n`;
fs.writeFileSync(
  path.join(out, 'widgets', 'THIRD-PARTY-NOTICES.txt'),
  `The files widgets.js and widgets.css and the folder mathjax hold the software below.\n\n${[...notices, anywidget].join(`\n${'-'.repeat(78)}\n\n`)}`,
);

const mathjax = path.join(here, 'node_modules', 'mathjax');
const fonts = 'output/chtml/fonts/woff-v2';
fs.mkdirSync(path.join(out, 'mathjax', fonts), { recursive: true });
fs.copyFileSync(path.join(mathjax, 'LICENSE'), path.join(out, 'mathjax', 'LICENSE'));
for (const file of fs.readdirSync(path.join(mathjax, 'es5', fonts))) {
  fs.copyFileSync(path.join(mathjax, 'es5', fonts, file), path.join(out, 'mathjax', fonts, file));
}
// MathJax's own bundle carries a menu and a speech engine, a third of its weight. Ours holds what draws formulas and what
// screen readers read: `startup` first, which loads nothing by itself and starts when the whole file has run.
const part = (name) => fs.readFileSync(path.join(mathjax, 'es5', `${name}.js`), 'utf8').trim();
const parts = ['core', 'input/tex', 'output/chtml', 'output/chtml/fonts/tex', 'a11y/assistive-mml'];
const loaded = `MathJax.loader.preLoad(${['startup', ...parts].map((name) => `'${name}'`).join()});`;
fs.writeFileSync(
  path.join(out, 'mathjax', 'mathjax.js'),
  `${[part('startup'), loaded, ...parts.map(part)].join('\n')}\n`,
);

for (const name of ['widgets.js', 'widgets.css']) {
  const bytes = fs.readFileSync(path.join(out, 'widgets', name));
  console.log(name, bytes.length, 'bytes,', zlib.gzipSync(bytes, { level: 9 }).length, 'gzipped');
}

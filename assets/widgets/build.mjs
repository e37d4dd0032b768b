// Builds the static page's widget bundle and the MathJax that sets its formulas, byte for byte the same on each run:
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

// The page has sliders of its own (slider.js), so the library's, which the models' modules bring along, stays out.
const noSlider = {
  name: 'no-slider',
  setup(build) {
    build.onResolve({ filter: /^nouislider$|nouislider\.css$/ }, () => ({ path: 'none', namespace: 'none' }));
    build.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: '', loader: 'empty' }));
  },
};

const common = { absWorkingDir: here, bundle: true, minify: true, metafile: true, legalComments: 'none' };
const bundles = await Promise.all([
  esbuild.build({
    ...common,
    entryPoints: ['entry.js'],
    outfile: path.join(out, 'widgets', 'widgets.js'),
    format: 'iife',
    plugins: [anywidgetFactory, noSlider],
    alias: { 'sanitize-html': './sanitize-stub.js' },
    loader: { '.svg': 'dataurl', '.woff2': 'dataurl' },
    define: { 'process.env.NODE_ENV': '"production"' },
  }),
  esbuild.build({
    ...common,
    entryPoints: ['typeset.mjs'],
    outfile: path.join(out, 'mathjax', 'typeset.mjs'),
    format: 'esm',
    platform: 'node',
  }),
]);

const packageOf = (input) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1];
const inputs = bundles.flatMap(({ metafile }) => Object.keys(metafile.inputs));
const packages = [...new Set(inputs.map(packageOf).filter(Boolean))].sort();
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

fs.copyFileSync(path.join(here, 'node_modules', 'mathjax-full', 'LICENSE'), path.join(out, 'mathjax', 'LICENSE'));

for (const name of ['widgets/widgets.js', 'widgets/widgets.css', 'mathjax/typeset.mjs']) {
  const bytes = fs.readFileSync(path.join(out, name));
  console.log(name, bytes.length, 'bytes,', zlib.gzipSync(bytes, { level: 9 }).length, 'gzipped');
}

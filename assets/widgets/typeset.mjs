// Sets formulas while the site is built. A line of JSON in, {"tex": "x^2", "display": false}; a line of JSON out:
// {"width", "height", "align", "box", "path", "mathml"}, the first three in ex, or {"error"}.
// A formula becomes one path, its glyphs and rules joined: a page of a hundred formulas stays light.
import readline from 'node:readline';
import { mathjax } from 'mathjax-full/js/mathjax.js';
import { TeX } from 'mathjax-full/js/input/tex.js';
import { SVG } from 'mathjax-full/js/output/svg.js';
import { liteAdaptor } from 'mathjax-full/js/adaptors/liteAdaptor.js';
import { RegisterHTMLHandler } from 'mathjax-full/js/handlers/html.js';
import { STATE } from 'mathjax-full/js/core/MathItem.js';
import { SerializedMmlVisitor } from 'mathjax-full/js/core/MmlTree/SerializedMmlVisitor.js';
import 'mathjax-full/js/input/tex/base/BaseConfiguration.js';
import 'mathjax-full/js/input/tex/ams/AmsConfiguration.js';
import 'mathjax-full/js/input/tex/newcommand/NewcommandConfiguration.js';
import svgpath from 'svgpath';

const adaptor = liteAdaptor();
RegisterHTMLHandler(adaptor);
const formulas = mathjax.document('', {
  InputJax: new TeX({
    packages: ['base', 'ams', 'newcommand'],
    formatError: (_, error) => { throw error; },
  }),
  OutputJax: new SVG({ fontCache: 'none' }),
});
const asMathml = new SerializedMmlVisitor();

/** The outlines of an element and of all in it, in the formula's coordinates. `transforms` are those around it, innermost first. */
function outlines(node, transforms = []) {
  const kind = adaptor.kind(node);
  const attribute = (name) => adaptor.getAttribute(node, name);
  const here = [attribute('transform') ?? '', ...transforms];
  const placed = (d) => [here.reduce((path, step) => path.transform(step), svgpath(d))];
  if (kind === 'g') return adaptor.childNodes(node).flatMap((child) => outlines(child, here));
  if (kind === 'path') return placed(attribute('d'));
  if (kind === 'rect') {
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(attribute(name) ?? 0));
    return placed(`M${x} ${y}h${width}v${height}h${-width}z`);
  }
  throw new Error(`it needs a <${kind}>, and formulas here are outlines only`);
}

function set({ tex, display }) {
  const svg = adaptor.firstChild(formulas.convert(tex, { display }));
  const drawn = adaptor.childNodes(svg).filter((child) => adaptor.kind(child) !== 'defs');
  // Relative steps are the same wherever a letter stands, so a page packs well.
  const path = drawn.flatMap((child) => outlines(child)).map((outline) => outline.rel().round(0).toString());
  const mathml = asMathml.visitTree(formulas.convert(tex, { display, end: STATE.CONVERT }));
  return {
    width: adaptor.getAttribute(svg, 'width'),
    height: adaptor.getAttribute(svg, 'height'),
    align: adaptor.getStyle(svg, 'vertical-align'),
    box: adaptor.getAttribute(svg, 'viewBox'),
    path: path.join(''),
    mathml: mathml.replace(/\n\s*/g, '').replace(/ (?:data-mjx-[\w-]+|xmlns)="[^"]*"/g, ''),
  };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = set(JSON.parse(line));
  } catch (error) {
    answer = { error: error.message };
  }
  console.log(JSON.stringify(answer));
}

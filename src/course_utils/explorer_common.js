// What every explorer shares: numbers in words, axes, the map, and the widget around an explorer's own picture.
// Python joins this file and an explorer's own into one module. Works in a kernel and on a static page.
const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 300;
const MARGIN = { left: 58, right: 12, top: 12, bottom: 44 };
const MAP = { left: 46, bottom: 40, top: 2 };
// Notebook 7 takes arrow keys for itself before the focused element sees them, unless it bears this attribute.
const OWN_KEYS = 'data-lm-suppress-shortcuts';

// ---- numbers -------------------------------------------------------------------------------------------------

const superscript = (n) => String(n).replace('-', '⁻').replace(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]);

/** A number given by its log10, as a reader writes it: 0.52, 37, 3.1 × 10⁻⁹. */
export function written(log10) {
  if (Number.isNaN(log10)) return 'undefined';
  if (log10 === -Infinity) return '0';
  if (log10 === Infinity) return 'infinite';
  if (log10 > -2 && log10 < 3) return String(Number((10 ** log10).toPrecision(2)));
  let exponent = Math.floor(log10);
  let mantissa = (10 ** (log10 - exponent)).toFixed(1);
  if (mantissa === '10.0') [mantissa, exponent] = ['1.0', exponent + 1];
  return `${mantissa} × 10${superscript(exponent)}`;
}

export const nearest = (values, x) => values.reduce(
  (best, value, i) => (Math.abs(Math.log(value / x)) < Math.abs(Math.log(values[best] / x)) - 1e-9 ? i : best), 0);

/** A step of 1, 2 or 5 times a power of ten that cuts `span` into at most `count` parts. */
function tickStep(span, count) {
  const power = 10 ** Math.floor(Math.log10(Math.max(span / count, 1e-9)));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => span / step <= count);
}

// ---- data ----------------------------------------------------------------------------------------------------

function floats(value) { // Bytes arrive as a DataView
  if (!value || !value.byteLength) return null;
  return new Float32Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
}

// ---- drawing -------------------------------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const html = ['div', 'p', 'ul', 'li', 'span', 'figure'].includes(name);
  const node = html ? document.createElement(name) : document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const text = (x, y, anchor, content, more = {}) => element('text', { x, y, 'text-anchor': anchor, ...more }, content);

/** A path through the finite points; a gap where there is none. */
function pathOf(points) {
  let pen = 'M';
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) { pen = 'M'; return ''; }
    const piece = `${pen}${x.toFixed(1)},${y.toFixed(1)}`;
    pen = 'L';
    return piece;
  }).join('');
}

const MARKS = {
  circle: (x, y, r) => element('circle', { cx: x, cy: y, r }),
  square: (x, y, r) => element('rect', { x: x - r, y: y - r, width: 2 * r, height: 2 * r }),
  diamond: (x, y, r) => element('path', { d: `M${x},${y - 1.4 * r}l${1.4 * r},${1.4 * r}l${-1.4 * r},${1.4 * r}l${-1.4 * r},${-1.4 * r}z` }),
};

/** Gridlines with their labels and the lower axis, as nodes. */
function frameOf({ right, floor, width }, ticks, Y, xTicks, X, xLabel) {
  const nodes = [];
  for (const [value, label] of ticks) {
    nodes.push(element('line', { class: 'ug-grid-line', x1: MARGIN.left, x2: right, y1: Y(value), y2: Y(value) }));
    nodes.push(text(MARGIN.left - 7, Y(value) + 4, 'end', label));
  }
  for (const value of xTicks) nodes.push(text(X(value), floor + 17, 'middle', String(value)));
  nodes.push(text((MARGIN.left + right) / 2, HEIGHT - 6, 'middle', xLabel));
  nodes.push(element('line', { class: 'ug-axis', x1: MARGIN.left, x2: right, y1: floor, y2: floor }));
  return nodes;
}

/** Sizes a picture to its place; the numbers that its axes need. */
function boxOf(svg) {
  const width = Math.max(svg.clientWidth || 480, 240);
  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  svg.setAttribute('height', HEIGHT);
  return { width, right: width - MARGIN.right, floor: HEIGHT - MARGIN.bottom };
}

const scaleLabel = (value) => String(Number(value.toPrecision(2)));

/** A map of depth × weight scale. `colour(d, s)` paints a cell; `horizon[s]`, where given, is a depth to draw dashed. */
function drawMap(svg, depths, scales, { colour, height, horizon }) {
  const width = Math.max(svg.clientWidth || 250, 200);
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('height', height);
  const cellWidth = (width - MAP.left) / scales.length;
  const cellHeight = (height - MAP.bottom - MAP.top) / depths.length;
  const left = (s) => MAP.left + s * cellWidth;
  const up = (d) => MAP.top + (depths.length - 1 - d) * cellHeight;
  const nodes = [];
  depths.forEach((_, d) => scales.forEach((_scale, s) => {
    const cell = element('rect', { x: left(s), y: up(d), width: cellWidth + 0.4, height: cellHeight + 0.4 });
    cell.style.fill = colour(d, s);
    nodes.push(cell);
  }));
  const depthLabels = [...new Set([0, Math.round((depths.length - 1) / 2), depths.length - 1])];
  for (const d of depthLabels) nodes.push(text(MAP.left - 5, up(d) + cellHeight / 2 + 4, 'end', String(depths[d])));
  const scaleLabels = [...new Set([0, nearest(scales, 1), scales.length - 1])];
  for (const s of scaleLabels) nodes.push(text(left(s) + cellWidth / 2, height - MAP.bottom + 16, s ? (s === scales.length - 1 ? 'end' : 'middle') : 'start', scaleLabel(scales[s])));
  nodes.push(text((MAP.left + width) / 2, height - 4, 'middle', 'weight scale σ_w'));
  nodes.push(text(0, 0, 'middle', 'depth', { transform: `translate(10 ${(height - MAP.bottom) / 2}) rotate(-90)` }));
  if (horizon && horizon.length) {
    // A depth's place among the rows, straight between neighbours on a log scale.
    const row = (depth) => {
      if (!(depth >= depths[0])) return NaN;
      const above = depths.findIndex((value) => value >= depth);
      if (above === -1) return depths.length - 0.5;
      if (above === 0) return 0;
      return above - 1 + Math.log(depth / depths[above - 1]) / Math.log(depths[above] / depths[above - 1]);
    };
    const points = horizon.map((depth, s) => [left(s) + cellWidth / 2, up(row(depth)) + cellHeight / 2]);
    nodes.push(element('path', { class: 'ug-horizon-back', d: pathOf(points) }), element('path', { class: 'ug-horizon', d: pathOf(points) }));
  }
  const cross = element('g', { class: 'ug-place' });
  svg.replaceChildren(...nodes, cross);
  const place = (d, s) => {
    const x = left(s) + cellWidth / 2;
    const y = up(d) + cellHeight / 2;
    const lines = `M${x - 9},${y}h18M${x},${y - 9}v18`;
    cross.replaceChildren(element('path', { class: 'ug-cross-back', d: lines }), element('path', { class: 'ug-cross', d: lines }));
    cross.dataset.depth = depths[d];
    cross.dataset.weightScale = scales[s];
  };
  const at = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * width) / box.width;
    const y = ((event.clientY - box.top) * height) / box.height;
    const clamp = (i, n) => Math.min(Math.max(i, 0), n - 1);
    return {
      s: clamp(Math.floor((x - MAP.left) / cellWidth), scales.length),
      d: clamp(depths.length - 1 - Math.floor((y - MAP.top) / cellHeight), depths.length),
    };
  };
  return { place, at };
}

function legendEntry(kind, mark, label) {
  const swatch = element('svg', { viewBox: '0 0 30 12', 'aria-hidden': 'true', class: mark ? `ug-${kind}` : '' });
  swatch.append(element('path', { class: mark ? 'ug-line' : `ug-${kind}`, d: 'M1,6H29' }));
  if (mark) {
    const dot = MARKS[mark](15, 6, 3);
    dot.setAttribute('class', 'ug-mark');
    swatch.append(dot);
  }
  return element('li', {}, swatch, element('span', {}, label));
}

// ---- the widget ----------------------------------------------------------------------------------------------

/**
 * Puts an explorer into the page: a sentence, a picture with its legend, and one map or more.
 * `own` brings what differs: heading, legend, maps [{ heading, height, colour(d, s), horizon }], barLabels, view(), drawCurve(svg, view),
 * sentence(view), curveLabel, and the names of further traits to watch.
 */
function mount({ model, el }, own) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const curveSvg = element('svg', { role: 'img' });
  const maps = own.maps.map((map) => {
    const svg = element('svg', { 'aria-hidden': 'true' });
    const area = element('div', {
      class: 'ug-map', tabindex: '0', role: 'application', [OWN_KEYS]: 'true',
      'aria-label': `${map.heading}. Arrow keys left and right change the weight scale, up and down the depth.`,
    }, svg);
    return { ...map, svg, area };
  });
  const sentence = element('p', { class: 'ug-sentence' });
  const spoken = element('p', { class: 'ug-spoken', 'aria-live': 'polite' });
  const legend = element('ul', { class: 'ug-legend' }, ...own.legend);
  const bar = element('div', { class: 'ug-bar', 'aria-hidden': 'true' });
  const barLabels = element('div', { class: 'ug-bar-labels' }, ...own.barLabels.map((label) => element('span', {}, label)));
  const heading = (content) => element('p', { class: 'ug-heading' }, content);
  const root = element('div', { class: `ug-explorer ${own.kind}` }, sentence,
    element('div', { class: 'ug-panels' },
      element('div', { class: 'ug-panel ug-curve' }, heading(own.heading), curveSvg, legend),
      element('div', { class: 'ug-panel ug-atlas' }, ...maps.flatMap((map) => [heading(map.heading), map.area]), bar, barLabels)),
    spoken);
  el.append(root);

  let atlas = null;
  let frame = 0;
  let speech = 0;
  let width = 0;
  const draw = () => {
    frame = 0;
    const view = own.view();
    if (root.clientWidth !== width || !atlas) {
      width = root.clientWidth;
      atlas = maps.map((map) => drawMap(map.svg, depths, scales, map));
    }
    own.drawCurve(curveSvg, view);
    for (const map of atlas) map.place(view.d, view.s);
    sentence.textContent = own.sentence(view);
    curveSvg.setAttribute('aria-label', `${own.curveLabel}. ${sentence.textContent}`);
    Object.assign(root.dataset, { depth: view.depth, weightScale: view.scale, source: view.source });
    for (const handle of root.closest('.widget-vbox')?.querySelectorAll('.noUi-handle') ?? []) handle.setAttribute(OWN_KEYS, 'true');
    clearTimeout(speech);
    speech = setTimeout(() => { spoken.textContent = sentence.textContent; }, 600);
  };
  const redraw = () => { frame ||= requestAnimationFrame(draw); };
  for (const name of ['depth', 'weight_scale', ...own.traits]) model.on(`change:${name}`, redraw);
  const resize = new ResizeObserver(() => { if (root.clientWidth !== width) redraw(); });
  resize.observe(root);

  const move = (d, s) => {
    model.set('depth', depths[Math.min(Math.max(d, 0), depths.length - 1)]);
    model.set('weight_scale', scales[Math.min(Math.max(s, 0), scales.length - 1)]);
    model.save_changes();
  };
  maps.forEach(({ area }, i) => {
    const follow = (event) => { const { d, s } = atlas[i].at(event); move(d, s); };
    area.addEventListener('pointerdown', (event) => { area.setPointerCapture(event.pointerId); follow(event); });
    area.addEventListener('pointermove', (event) => { if (area.hasPointerCapture(event.pointerId)) follow(event); });
    area.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      move(nearest(depths, model.get('depth')) + step[0], nearest(scales, model.get('weight_scale')) + step[1]);
    });
  });
  draw();
  return () => { resize.disconnect(); cancelAnimationFrame(frame); clearTimeout(speech); };
}

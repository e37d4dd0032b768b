// Draws the gradient explorer from a measured grid. Works in a kernel and on a static page: the model is anywidget's.
const SVG = 'http://www.w3.org/2000/svg';
const ROWS = 4; // median, least and largest weight gradient; median backward signal
const HEIGHT = 300;
const MARGIN = { left: 58, right: 12, top: 12, bottom: 44 };
const MAP = { left: 46, bottom: 40, top: 2, height: 220 };
const SATURATION = 6; // decades from healthy at which the map's colour is full

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

/** What the first layer's gradient, log10 and relative to a healthy network's, means. */
export function verdict(log10Ratio) {
  if (!(log10Ratio >= -3)) return Number.isNaN(log10Ratio) ? 'undefined' : 'vanishing';
  if (log10Ratio > 3) return 'exploding';
  if (log10Ratio < -1) return 'shrinking';
  return log10Ratio > 1 ? 'growing' : 'healthy';
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

/** The grid's rows at a depth and a weight scale, by index. */
function rowsAt(curves, depths, scales, d, s) {
  if (!curves) return null;
  let start = 0;
  for (let i = 0; i < d; i += 1) start += scales * ROWS * depths[i];
  const depth = depths[d];
  start += s * ROWS * depth;
  return Array.from({ length: ROWS }, (_, row) => Array.from(curves.subarray(start + row * depth, start + (row + 1) * depth)));
}

/** What to draw for the sliders' place: computed live, measured there, or measured at the nearest grid point. */
function lookUp(model, grids) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const depth = model.get('depth');
  const scale = model.get('weight_scale');
  const live = model.get('live');
  const d = nearest(depths, depth);
  const s = nearest(scales, scale);
  const measuredHere = depths[d] === depth && Math.abs(scales[s] / scale - 1) < 1e-6;
  if (!measuredHere && live.depth === depth && live.weight_scale === scale) {
    return {
      depth, scale, d, s, source: 'live', slope: live.slopes[0],
      rows: rowsAt(floats(model.get('live_curves')), [depth], 1, 0, 0),
      compare: rowsAt(floats(model.get('live_compare')), [depth], 1, 0, 0),
    };
  }
  return {
    depth: depths[d], scale: scales[s], d, s, source: measuredHere ? 'grid' : 'nearest', slope: model.get('slopes')[s],
    rows: rowsAt(grids.curves, depths, scales.length, d, s),
    compare: rowsAt(grids.compare, depths, scales.length, d, s),
  };
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

function series(kind, mark, values, X, Y, radius) {
  const group = element('g', { class: `ug-${kind}` });
  group.append(element('path', { class: 'ug-line', d: pathOf(values.map((v, i) => [X(i + 1), Y(v)])) }));
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const dot = MARKS[mark](X(i + 1), Y(value), radius);
    dot.setAttribute('class', 'ug-mark');
    dot.dataset.layer = i + 1;
    dot.dataset.value = value;
    group.append(dot);
  });
  return group;
}

function drawCurve(svg, view, healthy) {
  const width = Math.max(svg.clientWidth || 480, 240);
  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  svg.setAttribute('height', HEIGHT);
  const { depth, rows: [median, low, high, signal], compare, slope } = view;
  const theory = slope === undefined ? null : signal.map((_, i) => signal[depth - 1] + slope * (depth - 1 - i));
  const shown = [...low, ...high, ...signal, ...(compare ? compare[0] : []), healthy].filter(Number.isFinite);
  const span = Math.max(...shown, 1) - Math.min(...shown, -3);
  const step = Math.max(1, tickStep(span, 6));
  const bottom = step * Math.floor(Math.min(...shown, -3) / step);
  const top = step * Math.ceil(Math.max(...shown, 1) / step);

  const right = width - MARGIN.right;
  const floor = HEIGHT - MARGIN.bottom;
  const X = (layer) => (depth === 1 ? (MARGIN.left + right) / 2 : MARGIN.left + 8 + ((right - MARGIN.left - 16) * (layer - 1)) / (depth - 1));
  const Y = (value) => MARGIN.top + ((floor - MARGIN.top) * (top - Math.min(Math.max(value, bottom), top))) / (top - bottom);

  const nodes = [];
  for (let tick = bottom; tick <= top; tick += step) {
    nodes.push(element('line', { class: 'ug-grid-line', x1: MARGIN.left, x2: right, y1: Y(tick), y2: Y(tick) }));
    nodes.push(text(MARGIN.left - 7, Y(tick) + 4, 'end', tick === 0 ? '1' : `10${superscript(tick)}`));
  }
  const layerStep = Math.max(1, tickStep(depth, width < 420 ? 6 : 10));
  const layers = [1];
  for (let layer = layerStep; layer <= depth; layer += layerStep) if (layer > 1 && (layer > 2 || depth < 10)) layers.push(layer);
  for (const layer of layers) nodes.push(text(X(layer), floor + 17, 'middle', String(layer)));
  nodes.push(text((MARGIN.left + right) / 2, HEIGHT - 6, 'middle', 'layer (1 = nearest the input)'));
  nodes.push(element('line', { class: 'ug-axis', x1: MARGIN.left, x2: right, y1: floor, y2: floor }));
  nodes.push(element('line', { class: 'ug-healthy', x1: MARGIN.left, x2: right, y1: Y(healthy), y2: Y(healthy) }));

  const radius = Math.min(3.5, Math.max(1.2, (right - MARGIN.left) / depth / 3));
  const band = pathOf([...low.map((v, i) => [X(i + 1), Y(v)]), ...high.map((v, i) => [X(i + 1), Y(v)]).reverse()]);
  if (compare) nodes.push(series('compare', 'diamond', compare[0], X, Y, radius));
  if (theory) {
    const inside = theory.map((v, i) => [X(i + 1), v < bottom - 1e-9 || v > top + 1e-9 ? NaN : Y(v)]);
    nodes.push(element('path', { class: 'ug-theory', d: pathOf(inside) }));
  }
  nodes.push(series('signal', 'square', signal, X, Y, radius * 0.85));
  if (band) nodes.push(element('g', { class: 'ug-gradient' }, element('path', { class: 'ug-band', d: `${band}Z` })));
  nodes.push(series('gradient', 'circle', median, X, Y, radius));
  svg.replaceChildren(...nodes);
}

function colourOf(log10Ratio) {
  if (Number.isNaN(log10Ratio)) return 'none';
  const share = Math.round(100 * Math.min(Math.abs(log10Ratio) / SATURATION, 1));
  return `color-mix(in oklab, var(--ug-${log10Ratio < 0 ? 'low' : 'high'}) ${share}%, var(--ug-middle))`;
}

const scaleLabel = (value) => String(Number(value.toPrecision(2)));

function drawMap(svg, depths, scales, firstLayer, healthy) {
  const width = Math.max(svg.clientWidth || 250, 200);
  const height = MAP.height;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('height', height);
  const cellWidth = (width - MAP.left) / scales.length;
  const cellHeight = (height - MAP.bottom - MAP.top) / depths.length;
  const left = (s) => MAP.left + s * cellWidth;
  const up = (d) => MAP.top + (depths.length - 1 - d) * cellHeight;
  const nodes = [];
  depths.forEach((_, d) => scales.forEach((_scale, s) => {
    const cell = element('rect', { x: left(s), y: up(d), width: cellWidth + 0.4, height: cellHeight + 0.4 });
    cell.style.fill = colourOf(firstLayer[d][s] - healthy);
    nodes.push(cell);
  }));
  const depthLabels = [...new Set([0, Math.round((depths.length - 1) / 2), depths.length - 1])];
  for (const d of depthLabels) nodes.push(text(MAP.left - 5, up(d) + cellHeight / 2 + 4, 'end', String(depths[d])));
  const scaleLabels = [...new Set([0, nearest(scales, 1), scales.length - 1])];
  for (const s of scaleLabels) nodes.push(text(left(s) + cellWidth / 2, height - MAP.bottom + 16, s ? (s === scales.length - 1 ? 'end' : 'middle') : 'start', scaleLabel(scales[s])));
  nodes.push(text((MAP.left + width) / 2, height - 4, 'middle', 'weight scale σ_w'));
  nodes.push(text(0, 0, 'middle', 'depth', { transform: `translate(10 ${(height - MAP.bottom) / 2}) rotate(-90)` }));
  const cross = element('g');
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

function sentenceOf(view, healthy) {
  const [median] = view.rows;
  const ratio = median[0] - healthy;
  const last = view.depth === 1 ? '' : `${written(median[0] - median[view.depth - 1])} times the last’s and `;
  const place = `Depth ${view.depth}, σ_w = ${Number(view.scale.toPrecision(3))}`;
  const note = { live: ' Computed just now.', grid: '', nearest: ' This is the nearest place that was measured.' }[view.source];
  return `${place}: the first layer’s gradient is ${last}${written(ratio)} times a healthy network’s: ${verdict(ratio)}.${note}`;
}

// ---- the widget ----------------------------------------------------------------------------------------------

function render({ model, el }) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const healthy = model.get('healthy');
  const grids = { curves: floats(model.get('curves')), compare: floats(model.get('compare_curves')) };
  const firstLayer = depths.map((_, d) => scales.map((_scale, s) => rowsAt(grids.curves, depths, scales.length, d, s)[0][0]));

  const curveSvg = element('svg', { role: 'img' });
  const mapSvg = element('svg', { 'aria-hidden': 'true' });
  const map = element('div', {
    class: 'ug-map', tabindex: '0', role: 'application',
    'aria-label': 'Map of depth and weight scale. Arrow keys left and right change the weight scale, up and down the depth.',
  }, mapSvg);
  const sentence = element('p', { class: 'ug-sentence' });
  const spoken = element('p', { class: 'ug-spoken', 'aria-live': 'polite' });
  const legend = element('ul', { class: 'ug-legend' },
    legendEntry('gradient', 'circle', 'weight gradient ‖∂loss/∂W‖: median and range over seeds'),
    legendEntry('signal', 'square', 'backward signal ‖∂loss/∂h‖'),
    ...(model.get('slopes').length ? [legendEntry('theory', null, 'theory’s slope of the backward signal')] : []),
    ...(grids.compare ? [legendEntry('compare', 'diamond', `weight gradient with ${model.get('compare_label')}`)] : []),
    legendEntry('healthy', null, 'a healthy network’s first layer'));
  const bar = element('div', { class: 'ug-bar', 'aria-hidden': 'true' });
  const barLabels = element('div', { class: 'ug-bar-labels' },
    element('span', {}, `≤ 10${superscript(-SATURATION)}`), element('span', {}, 'healthy'), element('span', {}, `≥ 10${superscript(SATURATION)}`));
  const root = element('div', { class: 'ug-explorer' }, sentence,
    element('div', { class: 'ug-panels' },
      element('div', { class: 'ug-panel ug-curve' }, element('p', { class: 'ug-heading' }, `Gradient in each layer, ${model.get('title')}`), curveSvg, legend),
      element('div', { class: 'ug-panel ug-atlas' }, element('p', { class: 'ug-heading' }, 'First layer’s gradient, relative to healthy'), map, bar, barLabels)),
    spoken);
  el.append(root);

  let atlas = null;
  let frame = 0;
  let speech = 0;
  let width = 0;
  const draw = () => {
    frame = 0;
    const view = lookUp(model, grids);
    if (root.clientWidth !== width || !atlas) {
      width = root.clientWidth;
      atlas = drawMap(mapSvg, depths, scales, firstLayer, healthy);
    }
    drawCurve(curveSvg, view, healthy);
    atlas.place(view.d, view.s);
    sentence.textContent = sentenceOf(view, healthy);
    curveSvg.setAttribute('aria-label', `Gradient norm in each layer. ${sentence.textContent}`);
    Object.assign(root.dataset, { depth: view.depth, weightScale: view.scale, source: view.source });
    clearTimeout(speech);
    speech = setTimeout(() => { spoken.textContent = sentence.textContent; }, 600);
  };
  const redraw = () => { frame ||= requestAnimationFrame(draw); };
  for (const name of ['depth', 'weight_scale', 'live']) model.on(`change:${name}`, redraw);
  const resize = new ResizeObserver(() => { if (root.clientWidth !== width) redraw(); });
  resize.observe(root);

  const move = (d, s) => {
    model.set('depth', depths[Math.min(Math.max(d, 0), depths.length - 1)]);
    model.set('weight_scale', scales[Math.min(Math.max(s, 0), scales.length - 1)]);
    model.save_changes();
  };
  const follow = (event) => { const { d, s } = atlas.at(event); move(d, s); };
  map.addEventListener('pointerdown', (event) => { map.setPointerCapture(event.pointerId); follow(event); });
  map.addEventListener('pointermove', (event) => { if (map.hasPointerCapture(event.pointerId)) follow(event); });
  map.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(nearest(depths, model.get('depth')) + step[0], nearest(scales, model.get('weight_scale')) + step[1]);
  });
  draw();
  return () => { resize.disconnect(); cancelAnimationFrame(frame); clearTimeout(speech); };
}

export default { render };

// What every explorer shares: numbers in words, axes, the map, and the widget around an explorer's own picture.
// Python joins this file, its tools, what they save, and an explorer's own into one module. Works in a kernel and on a
// static page.
const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 300;
const MARGIN = { left: 58, right: 12, top: 12, bottom: 44 };
const TELL = 50; // milliseconds from the picture to its sentence: nobody reads one in the time of a frame
const MAP = { left: 46, bottom: 40, top: 2 };
// Notebook 7 takes arrow keys for itself before the focused element sees them, unless it bears this attribute.
const OWN_KEYS = 'data-lm-suppress-shortcuts';

// ---- numbers -------------------------------------------------------------------------------------------------

const RAISED = new Map();
function superscript(n) {
  if (!RAISED.has(n)) RAISED.set(n, String(n).replace('-', '⁻').replace(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]));
  return RAISED.get(n);
}

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

/** The index of the value at the least ratio to `x`, the smaller of two. */
export function nearest(values, x) {
  let [best, least] = [0, Infinity];
  for (let i = 0; i < values.length; i += 1) {
    const distance = Math.abs(Math.log(values[i] / x));
    if (distance < least - 1e-9) [best, least] = [i, distance];
  }
  return best;
}

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

const HTML = ['a', 'button', 'div', 'figure', 'input', 'li', 'p', 'span', 'ul'];

function element(name, attributes = {}, ...children) {
  const node = HTML.includes(name) ? document.createElement(name) : document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Puts a text into a node; a text that stands there is changed, since a new one would need its style and lines anew. */
function write(node, words) {
  if (node.firstChild?.nodeType === Node.TEXT_NODE) node.firstChild.data = words; else node.textContent = words;
}

const DESCRIBED = Symbol('what a node was drawn from');
const LABELLED = Symbol('what data a node holds');

/**
 * Draws into `parent` what is described as [name, attributes, text or children, numbers shown], and touches only what differs
 * from what stands there: a slider that moves then changes some numbers, and makes no new nodes. The numbers that a node shows
 * are its `numbers`, for files and for tests.
 */
function fill(parent, described) {
  let next = parent.firstChild;
  for (const [name, attributes, content, numbers] of described) {
    let node = next;
    if (node?.localName !== name) {
      node = element(name);
      if (next) next.replaceWith(node); else parent.append(node);
    }
    const before = node[DESCRIBED] ?? { attributes: {} };
    for (const key of Object.keys(attributes)) if (before.attributes[key] !== attributes[key]) node.setAttribute(key, attributes[key]);
    for (const key of Object.keys(before.attributes)) if (!(key in attributes)) node.removeAttribute(key);
    if (Array.isArray(content)) fill(node, content);
    else if (content !== undefined && before.content !== content) write(node, content);
    node[DESCRIBED] = { attributes, content };
    if (numbers) node.numbers = numbers;
    next = node.nextSibling;
  }
  while (next) {
    const beyond = next;
    next = next.nextSibling;
    // A label that is not needed waits, empty, for the next move: where nodes come and go, the browser asks each `:has()` of the page.
    if (beyond.localName !== 'text') beyond.remove();
    else if (beyond.textContent) {
      write(beyond, '');
      beyond[DESCRIBED].content = '';
    }
  }
}

/** Writes data into a node, where they differ from what was written there before. */
function label(node, data) {
  for (const [key, value] of Object.entries(data)) if (node[LABELLED]?.[key] !== value) node.dataset[key] = value;
  node[LABELLED] = data;
}

const px = (value) => Math.round(value * 100) / 100;

const text = (x, y, anchor, content) => ['text', { x: px(x), y: px(y), 'text-anchor': anchor }, content];
const across = (kind, { right }, y) => ['line', { class: kind, x1: MARGIN.left, x2: right, y1: px(y), y2: px(y) }];
// Seen by no one: a picture that always covers the same place leaves the browser's layers as they are. `room` is as far as
// what it shows may reach beyond its edge.
const paperOf = (width, height, room = 0) => ['rect', { class: 'ug-paper', x: -room, y: -room, width: width + 2 * room, height: height + 2 * room }];
const groupOf = (kind, children) => ['g', { class: kind }, children];

const tenths = (value) => Math.round(value * 10) / 10;
const pointsOf = (points) => points.map(([x, y]) => `${tenths(x)},${tenths(y)}`).join(' ');

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

/**
 * A line through the points. Without a gap it is a polyline: what a path's `d` says is part of its style, which the browser
 * would work out anew at each move.
 */
function lineOf(kind, points) {
  if (!points.every(([, y]) => Number.isFinite(y))) return ['path', { class: kind, d: pathOf(points) }];
  return ['polyline', { class: kind, points: pointsOf(points) }];
}

/** The room between two lines. */
function bandOf(low, high) {
  const around = [...low, ...high.reverse()];
  if (around.every(([, y]) => Number.isFinite(y))) return ['polygon', { class: 'ug-band', points: pointsOf(around) }];
  const d = pathOf(around);
  return ['path', { class: 'ug-band', d: d && `${d}Z` }];
}

// What marks add to a path. A round or square one is a line of no length with such ends, as wide as the mark.
const dot = (x, y) => `M${px(x)},${px(y)}h.01`;
const MARKS = {
  circle: { of: dot, cap: 'round' },
  square: { of: dot, cap: 'square' },
  diamond: { of: (x, y, r) => `M${px(x)},${px(y - 1.4 * r)}l${px(1.4 * r)},${px(1.4 * r)}l${px(-1.4 * r)},${px(1.4 * r)}l${px(-1.4 * r)},${px(-1.4 * r)}Z` },
};

/** The marks of a series and the numbers that they show: one path for all, since each node costs the browser time at each move. */
function marksOf(kind, points, radius, numbers) {
  const { of, cap } = MARKS[kind];
  const d = points.map(([x, y]) => (Number.isFinite(y) ? of(x, y, radius) : '')).join('');
  const look = cap ? { 'stroke-linecap': cap, 'stroke-width': px(2 * radius) } : {};
  return ['path', { class: `ug-mark ug-${cap ? 'dot' : kind}`, d, ...look }, undefined, numbers];
}

/** Gridlines with their labels and the lower axis. The labels go down from the top, which stays, so that few of them change. */
function frameOf(box, ticks, Y, xTicks, X, xLabel) {
  const down = [...ticks].reverse();
  return [
    paperOf(box.width, HEIGHT),
    ['path', { class: 'ug-grid', d: down.map(([value]) => `M${MARGIN.left},${px(Y(value))}H${box.right}`).join('') }],
    groupOf('ug-labels', down.map(([value, label]) => text(MARGIN.left - 7, Y(value) + 4, 'end', label))),
    groupOf('ug-labels', [
      text((MARGIN.left + box.right) / 2, HEIGHT - 6, 'middle', xLabel),
      ...xTicks.map((value) => text(X(value), box.floor + 17, 'middle', String(value))),
    ]),
    across('ug-axis', box, box.floor),
  ];
}

/** Sizes a picture to a width of its place; the numbers that its axes need. */
function boxOf(svg, place) {
  const width = Math.max(place || 480, 240);
  fit(svg, width, HEIGHT);
  return { width, right: width - MARGIN.right, floor: HEIGHT - MARGIN.bottom };
}

function fit(svg, width, height) {
  const size = `0 0 ${width} ${height}`;
  if (svg.getAttribute('viewBox') === size) return;
  svg.setAttribute('viewBox', size);
  svg.setAttribute('height', height);
}

const scaleLabel = (value) => String(Number(value.toPrecision(2)));

/**
 * A map of depth × weight scale. `colour(d, s)` paints a cell; `horizon[s]`, where given, is a depth to draw dashed. The
 * cross that marks the place moves in a layer of its own, so that the browser need not paint the cells again.
 */
function drawMap([svg, over], place, depths, scales, { colour, height, horizon }) {
  const width = Math.max(place || 250, 200);
  fit(svg, width, height);
  fit(over, width, height);
  const cellWidth = (width - MAP.left) / scales.length;
  const cellHeight = (height - MAP.bottom - MAP.top) / depths.length;
  const left = (s) => MAP.left + s * cellWidth;
  const up = (d) => MAP.top + (depths.length - 1 - d) * cellHeight;
  const cells = depths.flatMap((_, d) => scales.map((_scale, s) => {
    const cell = element('rect', { x: px(left(s)), y: px(up(d)), width: px(cellWidth + 0.4), height: px(cellHeight + 0.4), 'shape-rendering': 'crispEdges' });
    cell.style.fill = colour(d, s);
    return cell;
  }));
  const labels = element('g', { class: 'ug-labels' });
  const depthLabels = [...new Set([0, Math.round((depths.length - 1) / 2), depths.length - 1])];
  const scaleLabels = [...new Set([0, nearest(scales, 1), scales.length - 1])];
  const anchor = (s) => ['start', 'middle', 'end'][(s > 0) + (s === scales.length - 1)];
  const [name, attributes, word] = text(0, 0, 'middle', 'depth');
  fill(labels, [
    ...depthLabels.map((d) => text(MAP.left - 5, up(d) + cellHeight / 2 + 4, 'end', String(depths[d]))),
    ...scaleLabels.map((s) => text(left(s) + cellWidth / 2, height - MAP.bottom + 16, anchor(s), scaleLabel(scales[s]))),
    text((MAP.left + width) / 2, height - 4, 'middle', 'weight scale σ_w'),
    [name, { ...attributes, transform: `translate(10 ${(height - MAP.bottom) / 2}) rotate(-90)` }, word],
  ]);
  const lines = element('g');
  if (horizon && horizon.length) {
    // A depth's place among the rows, straight between neighbours on a log scale.
    const row = (depth) => {
      if (!(depth >= depths[0])) return NaN;
      const above = depths.findIndex((value) => value >= depth);
      if (above === -1) return depths.length - 0.5;
      if (above === 0) return 0;
      return above - 1 + Math.log(depth / depths[above - 1]) / Math.log(depths[above] / depths[above - 1]);
    };
    const d = pathOf(horizon.map((depth, s) => [left(s) + cellWidth / 2, up(row(depth)) + cellHeight / 2]));
    fill(lines, [['path', { class: 'ug-horizon-back', d }], ['path', { class: 'ug-horizon', d }]]);
  }
  const cross = element('g', { class: 'ug-place' });
  svg.replaceChildren(...cells, labels, lines);
  fill(over, [paperOf(width, height, 12)]);
  over.append(cross);
  const put = (d, s) => {
    const [x, y] = [px(left(s) + cellWidth / 2), px(up(d) + cellHeight / 2)];
    const points = `${x - 9},${y} ${x + 9},${y} ${x},${y} ${x},${y - 9} ${x},${y + 9}`;
    fill(cross, [['polyline', { class: 'ug-cross-back', points }], ['polyline', { class: 'ug-cross', points }]]);
    label(cross, { depth: depths[d], weightScale: scales[s] });
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
  return { put, at };
}

/**
 * Lets a pointer lead to places of a map. A mouse leads at once. A finger that moves up or down scrolls the page
 * (`touch-action: pan-y`); it leads once it has set out sideways, or by a tap.
 */
function followPointer(area, follow) {
  let from = null;
  area.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    from = { x: event.clientX, y: event.clientY, leads: event.pointerType === 'mouse' };
    if (!from.leads) return;
    area.setPointerCapture(event.pointerId);
    follow(event);
  });
  area.addEventListener('pointermove', (event) => {
    if (!from) return;
    const [x, y] = [Math.abs(event.clientX - from.x), Math.abs(event.clientY - from.y)];
    from.leads ||= x > Math.max(y, 6);
    if (from.leads) follow(event);
  });
  area.addEventListener('pointerup', (event) => {
    const tapped = from && Math.hypot(event.clientX - from.x, event.clientY - from.y) < 10;
    if (tapped || from?.leads) follow(event);
    from = null;
  });
  area.addEventListener('pointercancel', () => { from = null; });
}

function legendEntry(kind, mark, label) {
  const swatch = element('svg', { viewBox: '0 0 30 12', 'aria-hidden': 'true', class: mark ? `ug-${kind}` : '' });
  fill(swatch, [
    ['path', { class: mark ? 'ug-line' : `ug-${kind}`, d: 'M1,6H29' }],
    ...(mark ? [marksOf(mark, [[15, 6]], 3)] : []),
  ]);
  return element('li', {}, swatch, element('span', {}, label));
}

// ---- the widget ----------------------------------------------------------------------------------------------

/**
 * Puts an explorer into the page: a sentence, a picture with its legend, one map or more, and tools.
 * `own` brings what differs: heading, legend, maps [{ heading, height, colour(d, s), horizon }], barLabels, view(),
 * drawCurve(svg, width, view), sentence(view), columns(view) and fileName for what is saved, curveLabel, and the names of
 * further traits to watch.
 */
function mount({ model, el }, own) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const curveSvg = element('svg', { role: 'img' });
  const words = element('span');
  const sentence = element('p', { class: 'ug-sentence', id: `ug-${Math.random().toString(36).slice(2)}` }, words);
  const maps = own.maps.map((map) => {
    const layers = [element('svg', { 'aria-hidden': 'true' }), element('svg', { 'aria-hidden': 'true', class: 'ug-over' })];
    const area = element('div', {
      class: 'ug-map', tabindex: '0', role: 'application', 'aria-describedby': sentence.id,
      'aria-label': `${map.heading}. Arrow keys left and right change the weight scale, up and down the depth.`,
    }, ...layers);
    return { ...map, layers, area };
  });
  const spoken = element('p', { class: 'ug-spoken', 'aria-live': 'polite' });
  const legend = element('ul', { class: 'ug-legend' }, ...own.legend);
  const bar = element('div', { class: 'ug-bar', 'aria-hidden': 'true' });
  const barLabels = element('div', { class: 'ug-bar-labels' }, ...own.barLabels.map((label) => element('span', {}, label)));
  const heading = (content) => element('p', { class: 'ug-heading' }, content);
  const panels = element('div', { class: 'ug-panels' },
    element('div', { class: 'ug-panel ug-curve' }, heading(own.heading), curveSvg, legend),
    element('div', { class: 'ug-panel ug-atlas' }, ...maps.flatMap((map) => [heading(map.heading), map.area]), bar, barLabels));
  const root = element('div', { class: `ug-explorer ${own.kind}` }, sentence, panels, spoken);

  const at = () => ({ d: nearest(depths, model.get('depth')), s: nearest(scales, model.get('weight_scale')) });
  const put = (depth, scale) => {
    model.set('depth', depth);
    model.set('weight_scale', scale);
    model.save_changes();
  };
  const go = (d, s) => put(depths[Math.min(Math.max(d, 0), depths.length - 1)], scales[Math.min(Math.max(s, 0), scales.length - 1)]);

  let speech = 0;
  const speakSoon = () => {
    clearTimeout(speech);
    speech = setTimeout(() => { tell(); spoken.textContent = sentence.textContent; }, 600);
  };
  let telling = 0;
  const tell = () => {
    clearTimeout(telling);
    telling = 0;
    const said = own.sentence(own.view());
    if (words.textContent === said) return;
    write(words, said);
    curveSvg.setAttribute('aria-label', `${own.curveLabel}. ${said}`);
    if (!tools.playing()) speakSoon();
  };
  const tools = toolsOf({ model, own, root, panels, sentence, tell, at, go, put, settled: speakSoon });
  root.insertBefore(tools.row, spoken);
  el.append(root);

  let atlas = null;
  let widths = null;
  const measure = () => [curveSvg, ...maps.map((map) => map.layers[0])].map((svg) => svg.clientWidth);
  const draw = () => {
    const view = own.view();
    if (!atlas) {
      widths = measure();
      atlas = maps.map((map, i) => drawMap(map.layers, widths[i + 1], depths, scales, map));
    }
    own.drawCurve(curveSvg, widths[0], view);
    for (const map of atlas) map.put(view.d, view.s);
    label(root, { depth: view.depth, weightScale: view.scale, source: view.source });
    if (words.textContent) telling ||= setTimeout(tell, TELL); else tell();
  };
  // At the end of what moved the sliders, once, and in time for the next frame.
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; draw(); });
  };
  for (const name of ['depth', 'weight_scale', ...own.traits]) model.on(`change:${name}`, redraw);
  for (const name of ['depth', 'weight_scale']) model.on(`change:${name}`, tools.moved);

  const ended = new AbortController();
  let frame = 0;
  let box = null;
  const keepKeys = (event) => { if (event.target.closest('.widget-slider, .ug-explorer')) event.target.setAttribute(OWN_KEYS, 'true'); };
  const touched = (event) => { if (event.target.closest('.widget-slider, .ug-map')) tools.stop(); };
  const resize = new ResizeObserver(() => {
    if (!box) { // now it stands in the page, beside its sliders
      box = root.closest('.widget-vbox');
      box?.addEventListener('focusin', keepKeys, { signal: ended.signal });
      for (const kind of ['pointerdown', 'keydown']) box?.addEventListener(kind, touched, { capture: true, signal: ended.signal });
    }
    if (measure().every((width, i) => width === widths[i])) return;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => { atlas = null; draw(); });
  });
  resize.observe(root);
  // The sentence's place has the height of the most that it has held at this width: what stands below stays where it is.
  let across = 0;
  const grow = new ResizeObserver(() => {
    if (words.offsetWidth !== across) {
      across = words.offsetWidth;
      sentence.style.removeProperty('--ug-lines');
    }
    if (words.offsetHeight > sentence.clientHeight) sentence.style.setProperty('--ug-lines', `${words.offsetHeight}px`);
  });
  grow.observe(words);

  maps.forEach(({ area }, i) => {
    followPointer(area, (event) => { const { d, s } = atlas[i].at(event); go(d, s); });
    area.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      const { d, s } = at();
      go(d + step[0], s + step[1]);
    });
  });
  draw();
  return () => {
    tools.stop();
    tools.leave();
    ended.abort();
    resize.disconnect();
    grow.disconnect();
    cancelAnimationFrame(frame);
    clearTimeout(speech);
    clearTimeout(telling);
  };
}

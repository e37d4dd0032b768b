// The gradient explorer's picture, drawn from a measured grid or from what a kernel computed.
const ROWS = 4; // median, least and largest weight gradient; median backward signal
const SATURATION = 6; // decades from healthy at which the map's colour is full

/** What the first layer's gradient, log10 and relative to a healthy network's, means. */
export function verdict(log10Ratio) {
  if (!(log10Ratio >= -3)) return Number.isNaN(log10Ratio) ? 'undefined' : 'vanishing';
  if (log10Ratio > 3) return 'exploding';
  if (log10Ratio < -1) return 'shrinking';
  return log10Ratio > 1 ? 'growing' : 'healthy';
}

// ---- data ----------------------------------------------------------------------------------------------------

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

function series(kind, mark, values, X, Y, radius) {
  const points = values.map((value, i) => [X(i + 1), Y(value)]);
  const marked = points.filter((_, i) => Number.isFinite(values[i]));
  return groupOf(`ug-${kind}`, [lineOf('ug-line', points), marksOf(mark, marked, radius, values)]);
}

/** The backward signal as theory expects it, from its measured value at the last layer. */
function theoryOf({ depth, rows, slope }) {
  return slope === undefined ? null : rows[3].map((_, i) => rows[3][depth - 1] + slope * (depth - 1 - i));
}

// Axes have few ends. So an axis stays while the sliders move a little, and the curve is seen to move or to grow along it; nor
// must its labels be laid out anew.

/** The end of an axis that must reach some decades, at least one: 1, 3, 6, 10, 20, 30, 60, 100, … */
function farEnd(decades) {
  const power = 10 ** Math.floor(Math.log10(decades));
  return [1, ...(power > 1 ? [2] : []), 3, 6, 10].map((m) => m * power).find((end) => decades <= end);
}

/** The end of an axis that must reach some layers, so that the curve takes two thirds of it: 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, … */
function lastLayer(depth) {
  const power = 10 ** Math.floor(Math.log10(depth));
  const ends = power === 1 ? [3, 5, 7, 10] : [1, 1.5, 2, 3, 4, 5, 7, 10];
  return ends.map((m) => m * power).find((end) => depth <= end);
}

function drawCurve(svg, place, view, healthy) {
  const box = boxOf(svg, place);
  const { width, right, floor } = box;
  const { depth, rows: [median, low, high, signal], compare } = view;
  const theory = theoryOf(view);
  const shown = [...low, ...high, ...signal, ...(compare ? compare[0] : []), healthy].filter(Number.isFinite);
  const bottom = -farEnd(-Math.min(...shown, -3));
  const top = farEnd(Math.max(...shown, 1));
  const step = Math.max(1, tickStep(top - bottom, 6));

  const last = lastLayer(depth);
  const X = (layer) => MARGIN.left + 8 + ((right - MARGIN.left - 16) * (layer - 1)) / (last - 1);
  const Y = (value) => MARGIN.top + ((floor - MARGIN.top) * (top - Math.min(Math.max(value, bottom), top))) / (top - bottom);

  const ticks = [];
  for (let tick = step * Math.ceil(bottom / step); tick <= top; tick += step) ticks.push([tick, tick === 0 ? '1' : `10${superscript(tick)}`]);
  const layerStep = Math.max(1, tickStep(last, 6));
  const layers = [1];
  for (let layer = layerStep; layer <= last; layer += layerStep) if (layer > 1 && (layer > 2 || last < 10)) layers.push(layer);
  const nodes = frameOf(box, ticks, Y, layers, X, 'layer (1 = nearest the input)');
  nodes.push(across('ug-healthy', box, Y(healthy)));

  const radius = Math.min(3.5, Math.max(1.2, (right - MARGIN.left) / last / 3));
  const along = (values) => values.map((value, i) => [X(i + 1), Y(value)]);
  if (compare) nodes.push(series('compare', 'diamond', compare[0], X, Y, radius));
  if (theory) {
    const inside = theory.map((v, i) => [X(i + 1), v < bottom - 1e-9 || v > top + 1e-9 ? NaN : Y(v)]);
    nodes.push(lineOf('ug-theory', inside));
  }
  nodes.push(series('signal', 'square', signal, X, Y, radius * 0.85));
  nodes.push(groupOf('ug-gradient', [bandOf(along(low), along(high))]));
  nodes.push(series('gradient', 'circle', median, X, Y, radius));
  fill(svg, nodes);
}

function colourOf(log10Ratio) {
  if (Number.isNaN(log10Ratio)) return 'none';
  const share = Math.round(100 * Math.min(Math.abs(log10Ratio) / SATURATION, 1));
  return `color-mix(in oklab, var(--ug-${log10Ratio < 0 ? 'low' : 'high'}) ${share}%, var(--ug-middle))`;
}

function sentenceOf(view, healthy) {
  const [median] = view.rows;
  const ratio = median[0] - healthy;
  const last = view.depth === 1 ? '' : `${written(median[0] - median[view.depth - 1])} times the last’s and `;
  const place = `Depth ${view.depth}, σ_w = ${Number(view.scale.toPrecision(3))}`;
  const note = { live: ' Computed just now.', grid: '', nearest: ' This is the nearest place that was measured.' }[view.source];
  return `${place}: the first layer’s gradient is ${last}${written(ratio)} times a healthy network’s: ${verdict(ratio)}.${note}`;
}

/** The picture's numbers, a column each: what is measured is log10, since a norm of 1e-400 is no number to a spreadsheet. */
function columnsOf(view, { healthy, network, compareLabel }) {
  const { depth, scale, source, rows: [median, low, high, signal], compare } = view;
  const theory = theoryOf(view);
  const norm = (of, which) => `log10 of the ${of}'s norm: ${which}`;
  return [
    ['layer', median.map((_, i) => i + 1)],
    ['network', network],
    ['depth', depth],
    ['weight_scale', scale],
    ['source', SOURCES[source]],
    [norm('weight gradient', 'median over seeds'), median],
    [norm('weight gradient', 'least'), low],
    [norm('weight gradient', 'largest'), high],
    [norm('backward signal', 'median over seeds'), signal],
    ...(theory ? [[norm('backward signal', 'theory'), theory]] : []),
    ...(compare ? [[norm('weight gradient', `median over seeds, with ${compareLabel}`), compare[0]]] : []),
    [norm('weight gradient', "a healthy network's first layer"), healthy],
  ];
}

// ---- the widget ----------------------------------------------------------------------------------------------

function render({ model, el }) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const healthy = model.get('healthy');
  const grids = { curves: floats(model.get('curves')), compare: floats(model.get('compare_curves')) };
  const firstLayer = depths.map((_, d) => scales.map((_scale, s) => rowsAt(grids.curves, depths, scales.length, d, s)[0][0]));
  return mount({ model, el }, {
    kind: 'ug-gradients',
    traits: ['live'],
    heading: `Gradient in each layer, ${model.get('title')}`,
    curveLabel: 'Gradient norm in each layer',
    legend: [
      legendEntry('gradient', 'circle', 'weight gradient ‖∂loss/∂W‖: median and range over seeds'),
      legendEntry('signal', 'square', 'backward signal ‖∂loss/∂h‖'),
      ...(model.get('slopes').length ? [legendEntry('theory', null, 'theory’s slope of the backward signal')] : []),
      ...(grids.compare ? [legendEntry('compare', 'diamond', `weight gradient with ${model.get('compare_label')}`)] : []),
      legendEntry('healthy', null, 'a healthy network’s first layer'),
    ],
    maps: [{ heading: 'First layer’s gradient, relative to healthy', height: 220, colour: (d, s) => colourOf(firstLayer[d][s] - healthy) }],
    barLabels: [`≤ 10${superscript(-SATURATION)}`, 'healthy', `≥ 10${superscript(SATURATION)}`],
    view: () => lookUp(model, grids),
    drawCurve: (svg, place, view) => drawCurve(svg, place, view, healthy),
    columns: (view) => columnsOf(view, { healthy, network: model.get('title'), compareLabel: model.get('compare_label') }),
    fileName: `gradients ${model.get('title')}`,
    sentence: (view) => sentenceOf(view, healthy),
  });
}

export default { render };

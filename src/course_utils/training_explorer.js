// The training explorer's picture: the loss of trained networks, and maps of where training works.
const ROWS = 3; // median, least and largest loss

/** What was measured at the grid point nearest the sliders. */
function lookUp(model, grids) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const points = model.get('steps').length;
  const d = nearest(depths, model.get('depth'));
  const s = nearest(scales, model.get('weight_scale'));
  const measuredHere = depths[d] === model.get('depth') && Math.abs(scales[s] / model.get('weight_scale') - 1) < 1e-6;
  const cell = d * scales.length + s;
  const of = ({ losses, accuracies }) => {
    if (!losses) return null;
    const start = cell * ROWS * points;
    const rows = Array.from({ length: ROWS }, (_, r) => Array.from(losses.subarray(start + r * points, start + (r + 1) * points)));
    return { rows, accuracy: accuracies[cell] };
  };
  return { depth: depths[d], scale: scales[s], d, s, source: measuredHere ? 'grid' : 'nearest', main: of(grids.main), compare: of(grids.compare) };
}

function lossSeries(kind, mark, rows, steps, X, Y, top) {
  const [median, low, high] = rows.map((row) => row.map((value, i) => [X(steps[i]), Number.isFinite(value) ? Y(Math.min(value, top)) : NaN]));
  return groupOf(`ug-${kind}`, [
    bandOf(low, high),
    lineOf('ug-line', median),
    marksOf(mark, median.filter((_, i) => i % 8 === 4), 3, rows[0]),
  ]);
}

function drawCurve(svg, place, view, steps, guessing) {
  const box = boxOf(svg, place);
  const { right, floor } = box;
  const top = Math.ceil(2 * guessing * 1.3) / 2; // a loss far above guessing is drawn at the upper edge
  const last = steps[steps.length - 1];
  const X = (step) => MARGIN.left + ((right - MARGIN.left - 8) * step) / last;
  const Y = (value) => MARGIN.top + ((floor - MARGIN.top) * (top - value)) / top;
  const ticks = [];
  for (let tick = 0; tick <= top; tick += 0.5) ticks.push([tick, tick.toFixed(1)]);
  const step = tickStep(last, 5);
  const xTicks = [];
  for (let tick = 0; tick <= last; tick += step) xTicks.push(tick);
  const nodes = frameOf(box, ticks, Y, xTicks, X, 'step');
  nodes.push(across('ug-healthy', box, Y(guessing)));
  if (view.compare) nodes.push(lossSeries('signal', 'square', view.compare.rows, steps, X, Y, top));
  nodes.push(lossSeries('gradient', 'circle', view.main.rows, steps, X, Y, top));
  fill(svg, nodes);
}

/** The picture's numbers, a column each. */
function columnsOf(view, steps, guessing, main, compare) {
  const of = (name, { rows: [median, low, high], accuracy }) => [
    [`loss in nats, ${name}: median over seeds`, median],
    [`loss in nats, ${name}: least`, low],
    [`loss in nats, ${name}: largest`, high],
    [`final accuracy, ${name}: median over seeds`, accuracy],
  ];
  return [
    ['step', steps],
    ['depth', view.depth],
    ['weight_scale', view.scale],
    ['source', SOURCES[view.source]],
    ...of(main, view.main),
    ...(view.compare ? of(compare, view.compare) : []),
    ['loss of guessing in nats', guessing],
  ];
}

const percent = (share) => `${Math.round(100 * share)}%`;

/** Whether a network with this final accuracy trains. */
export function verdict(accuracy) {
  if (accuracy >= 0.9) return 'trains';
  return accuracy >= 0.5 ? 'trains in part' : 'does not train';
}

function sentenceOf(view, last, main, compare) {
  const place = `Depth ${view.depth}, σ_w = ${Number(view.scale.toPrecision(3))}`;
  const of = ({ rows, accuracy }) => {
    const end = rows[0][rows[0].length - 1];
    return `${percent(accuracy)} right${Number.isFinite(end) ? '' : ', loss no longer finite'}: ${verdict(accuracy)}`;
  };
  const other = view.compare ? ` With ${compare}: ${of(view.compare)}.` : '';
  const note = view.source === 'grid' ? '' : ' This is the nearest place that was measured.';
  return `${place}, after ${last} steps. ${main}: ${of(view.main)}.${other}${note}`;
}

function render({ model, el }) {
  const scales = model.get('weight_scales').length;
  const steps = model.get('steps');
  const [main, compare] = [model.get('title'), model.get('compare_label')];
  const grids = {
    main: { losses: floats(model.get('losses')), accuracies: floats(model.get('accuracies')) },
    compare: { losses: floats(model.get('compare_losses')), accuracies: floats(model.get('compare_accuracies')) },
  };
  const colour = ({ accuracies }) => (d, s) => `color-mix(in oklab, var(--ug-trains) ${Math.round(100 * accuracies[d * scales + s])}%, var(--ug-fails))`;
  const entries = [legendEntry('gradient', 'circle', `loss, ${main}: median and range over seeds`)];
  const height = grids.compare.losses ? 165 : 220;
  const maps = [{ heading: `Final accuracy, ${main}`, height, colour: colour(grids.main), horizon: model.get('horizon') }];
  if (grids.compare.losses) {
    entries.push(legendEntry('signal', 'square', `loss with ${compare}`));
    maps.push({ heading: `With ${compare}`, height, colour: colour(grids.compare) });
  }
  entries.push(legendEntry('healthy', null, 'the loss of guessing'));
  if (model.get('horizon').length) entries.push(legendEntry('theory', null, 'on the map: theory’s depth horizon 6 ξ'));
  return mount({ model, el }, {
    kind: 'ug-training', traits: [], legend: entries, maps,
    heading: 'Loss during training',
    curveLabel: 'Loss during training',
    barLabels: ['0%', 'of the digits right', '100%'],
    view: () => lookUp(model, grids),
    drawCurve: (svg, place, view) => drawCurve(svg, place, view, steps, model.get('guessing')),
    columns: (view) => columnsOf(view, steps, model.get('guessing'), main, compare),
    fileName: `loss ${main}`,
    sentence: (view) => sentenceOf(view, model.get('last_step'), main, compare),
  });
}

export default { render };

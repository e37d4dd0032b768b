// An explorer's picture as files: SVG for a slide or a page, CSV for a spreadsheet.

/** Where a picture's numbers come from, as files say it. */
const SOURCES = { grid: 'measured', nearest: 'measured, the nearest place', live: 'computed live' };

function save(name, type, content) {
  const link = element('a', { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link); // Firefox follows no link that stands nowhere
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const slug = (words) => words.toLowerCase().replace(/[^a-z0-9.]+/g, '-').replace(/^-|-$/g, '');

// ---- CSV -----------------------------------------------------------------------------------------------------

/** What a spreadsheet, pandas and R read as the same number; nothing where there is none. */
function cell(value) {
  if (typeof value === 'string') return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  if (Number.isNaN(value)) return '';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return String(Number(value.toPrecision(9))); // nine digits give a float32 back as it was
}

/** Columns [header, values] as text; a single value stands in every row. */
function csvOf(columns) {
  const rows = Math.max(...columns.map(([, values]) => (Array.isArray(values) ? values.length : 1)));
  const lines = [columns.map(([header]) => cell(header))];
  for (let i = 0; i < rows; i += 1) lines.push(columns.map(([, values]) => cell(Array.isArray(values) ? values[i] : values)));
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}

// ---- SVG -----------------------------------------------------------------------------------------------------

const PAPER = 16; // pixels around the picture
const LOOK = ['fill', 'fill-opacity', 'stroke', 'stroke-opacity', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'font-size'];

/** Any colour that the browser knows, color-mix included, as every program knows it. */
function plainColour(colour) {
  const brush = plainColour.brush ??= document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  brush.clearRect(0, 0, 1, 1);
  brush.fillStyle = colour;
  brush.fillRect(0, 0, 1, 1);
  const [red, green, blue] = brush.getImageData(0, 0, 1, 1).data;
  return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

/** A copy of what is drawn, its look written on each node in place of the page's style. */
function dressed(node) {
  const copy = node.cloneNode(false);
  copy.removeAttribute('class');
  copy.removeAttribute('style');
  if (node.numbers) copy.setAttribute('data-values', node.numbers.filter(Number.isFinite).join(' '));
  const style = getComputedStyle(node);
  for (const name of LOOK) {
    const value = style.getPropertyValue(name);
    if (name === 'font-size' ? node.localName !== 'text' : node.localName === 'g') continue;
    copy.setAttribute(name, /^(fill|stroke)$/.test(name) && value !== 'none' ? plainColour(value) : value.replaceAll('px', ''));
  }
  for (const child of node.childNodes) copy.append(child.nodeType === Node.TEXT_NODE ? child.data : dressed(child));
  return copy;
}

/** A text of the page, line by line as the page breaks it. */
function linesOf(node) {
  const range = document.createRange();
  const lines = [];
  for (const { 0: word, index } of node.data.matchAll(/\S+/g)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.length);
    const { left, top, height } = range.getBoundingClientRect();
    const last = lines.at(-1);
    if (last && Math.abs(last.top - top) < 2) last.words += ` ${word}`;
    else lines.push({ words: word, left, top, height });
  }
  return lines;
}

/** The bar of colours under a map: a gradient from part to part. */
function copyOfBar(node, x, y) {
  const { width, height } = node.getBoundingClientRect();
  const colours = getComputedStyle(node).getPropertyValue('--ug-bar').split(',').map((part) => part.trim());
  const stops = colours.slice(1).flatMap((to, i) => [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const colour = plainColour(`color-mix(in oklab, ${to} ${100 * share}%, ${colours[i]})`);
    return element('stop', { offset: (i + share) / (colours.length - 1), 'stop-color': colour });
  }));
  return [
    element('linearGradient', { id: 'bar' }, ...stops),
    element('rect', { x, y, width: px(width), height: px(height), fill: 'url(#bar)' }),
  ];
}

/** What stands in the page from `node` down, as nodes of one SVG whose corner is `origin`. */
function copyOf(node, origin) {
  if (node.nodeType === Node.TEXT_NODE) {
    const { fontSize, fontWeight, color } = getComputedStyle(node.parentElement);
    const size = parseFloat(fontSize);
    return linesOf(node).map(({ words, left, top, height }) => element('text', {
      x: px(left - origin.left), y: px(top - origin.top + height / 2 + 0.36 * size), 'font-size': size, 'font-weight': fontWeight, fill: plainColour(color),
    }, words));
  }
  if (!node.getClientRects().length) return [];
  const { left, top, width } = node.getBoundingClientRect();
  const [x, y] = [px(left - origin.left), px(top - origin.top)];
  if (node.localName === 'svg') {
    const scale = px(width / node.viewBox.baseVal.width) || 1;
    return [element('g', { transform: `translate(${x} ${y}) scale(${scale})` }, ...Array.from(node.children, dressed))];
  }
  if (node.matches('.ug-bar')) return copyOfBar(node, x, y);
  return Array.from(node.childNodes).flatMap((child) => copyOf(child, origin));
}

function pageColour(node) {
  for (let place = node; place; place = place.parentElement) {
    const { backgroundColor } = getComputedStyle(place);
    if (!/^(transparent|rgba\(.*, 0\))$/.test(backgroundColor)) return plainColour(backgroundColor);
  }
  return '#ffffff';
}

/** What `parts` show, as a picture of its own: colours, type and words as on the page, nothing to look up elsewhere. */
function svgOf(root, parts, title, description) {
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const [left, top] = [boxes[0].left - PAPER, boxes[0].top - PAPER];
  const right = Math.max(...boxes.map((box) => box.right)) + PAPER;
  const bottom = Math.max(...boxes.map((box) => box.bottom)) + PAPER;
  const [width, height] = [Math.ceil(right - left), Math.ceil(bottom - top)];
  const picture = element('svg', {
    width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'font-family': `${getComputedStyle(root).fontFamily}, sans-serif`,
  });
  picture.append(
    element('title', {}, title),
    element('desc', {}, description),
    element('rect', { width, height, fill: pageColour(root) }),
    ...parts.flatMap((part) => copyOf(part, { left, top })),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(picture)}\n`;
}

// The tools under an explorer's picture: play a slider, reset, copy a link to the place, save the picture and its numbers.

const STILL = matchMedia('(prefers-reduced-motion: reduce)');
const SWEEP = 6000; // milliseconds that a sweep takes, as far as a step between the two below allows
const [BRIEFEST, LONGEST] = [250, 600];
const ICONS = {
  play: 'M3,1.5V10.5L10.5,6Z', stop: 'M2.5,2.5h7v7h-7z', step: 'M2,2V10L7.5,6ZM9,2h1.5v8H9z',
  reset: 'M2.2,5A4,4 0 1 1 2.4,7.6M2,1.8V5.2H5.4', link: 'M5,7L7.2,4.8M4.2,5.6L2.6,7.2a2.1,2.1 0 0 0 3,3L7,8.6M5.2,3.4L6.6,2a2.1,2.1 0 0 1 3,3L8,6.6',
  save: 'M6,1V7.4M3,4.6L6,7.6L9,4.6M1.5,10.6H10.5',
};

function toolButton(icon, label, hint) {
  const button = element('button', { type: 'button', class: 'ug-tool' });
  const show = (mark, words, more) => {
    const solid = ['play', 'stop', 'step'].includes(mark);
    const picture = element('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true', class: solid ? 'ug-solid' : 'ug-drawn' }, element('path', { d: ICONS[mark] }));
    button.replaceChildren(picture, element('span', {}, words));
    button.setAttribute('title', more);
  };
  show(icon, label, hint);
  return { button, show };
}

// ---- links ---------------------------------------------------------------------------------------------------

/** The address of a page with an explorer at a place: what else its query holds stays there. */
function linkTo(address, id, place) {
  const [page, query = ''] = address.split('#')[0].split('?');
  const others = query.split('&').filter((part) => part && !part.startsWith(`${id}=`));
  return `${page}?${[...others, `${id}=${place}`].join('&')}#${id}`;
}

/** What a page's address asks of an explorer, if anything: where to go, and what to say where that is not what it asks. */
function askedIn(query, id, depths, scales) {
  const part = query.slice(1).split('&').find((one) => one.startsWith(`${id}=`));
  if (part === undefined) return {};
  const found = /^(\d{1,9}),(\d{0,9}\.?\d{1,9})$/.exec(part.slice(id.length + 1).replace(/%2c/i, ','));
  if (!found || !Number(found[2])) return { remark: 'The link’s place could not be read, so this is the first one.' };
  const [depth, wished] = found.slice(1).map(Number);
  const near = scales[nearest(scales, wished)];
  const scale = Math.abs(near / wished - 1) < 0.005 ? near : wished; // a link has four digits
  const within = (value, values) => Math.min(Math.max(value, values[0]), values.at(-1));
  const place = [within(depth, depths), within(scale, scales)];
  return { place, remark: place[0] === depth && place[1] === scale ? '' : 'The link’s place lies beyond the sliders. This is the nearest one.' };
}

// ---- play ----------------------------------------------------------------------------------------------------

/**
 * Moves one slider through its grid, from where it stands through every value and back. Where the reader's system asks for
 * less motion, each press goes one step.
 */
function playerOf({ root, at, go, settled }, axes) {
  let [playing, timer, left, own] = [null, 0, 0, false];
  const label = () => {
    for (const [name, { tool, called }] of Object.entries(axes)) {
      if (name === playing) tool.show('stop', 'Stop', `Stop moving the ${called.long}`);
      else if (STILL.matches) tool.show('step', `Step ${called.short}`, `Go to the next ${called.long}; after the last, to the first`);
      else tool.show('play', `Play ${called.short}`, `Move the ${called.long} through all of its values`);
    }
    root.dataset.playing = playing ?? '';
  };
  const step = (name) => {
    const { d, s } = at();
    own = true;
    if (name === 'depth') go((d + 1) % axes.depth.count, s); else go(d, (s + 1) % axes.scale.count);
    own = false;
  };
  const stop = () => {
    if (!playing) return;
    clearTimeout(timer);
    playing = null;
    label();
    settled();
  };
  const tick = () => {
    const { count } = axes[playing];
    step(playing);
    left -= 1;
    if (left) timer = setTimeout(tick, Math.min(Math.max(SWEEP / count, BRIEFEST), LONGEST)); else stop();
  };
  const press = (name) => {
    const goesOn = playing !== name;
    stop();
    if (STILL.matches) step(name);
    else if (goesOn) {
      [playing, left] = [name, axes[name].count];
      label();
      tick();
    }
  };
  for (const [name, { tool }] of Object.entries(axes)) tool.button.addEventListener('click', () => press(name));
  const relabel = () => { stop(); label(); };
  STILL.addEventListener('change', relabel);
  label();
  return {
    stop, playing: () => playing !== null,
    moved: () => { if (!own) stop(); },
    leave: () => STILL.removeEventListener('change', relabel),
  };
}

// ---- all tools -----------------------------------------------------------------------------------------------

/**
 * The row of tools of an explorer. On a page of the site, its bundle tells the model the `place` where the explorer stands,
 * the id of an element; a link leads there, and the page's address may ask for a place of the sliders.
 */
function toolsOf({ model, own, root, panels, sentence, tell, at, go, put, settled }) {
  const depths = model.get('depths');
  const scales = model.get('weight_scales');
  const home = [model.get('depth'), model.get('weight_scale')];
  const page = model.get('place');
  const note = element('p', { class: 'ug-note', role: 'status' });
  const say = (...what) => note.replaceChildren(...what);

  const axes = {
    scale: { tool: toolButton('play', '', ''), count: scales.length, called: { short: 'σ_w', long: 'weight scale' } },
    depth: { tool: toolButton('play', '', ''), count: depths.length, called: { short: 'depth', long: 'depth' } },
  };
  const player = playerOf({ root, at, go, settled }, axes);
  const tool = (icon, label, hint, act) => {
    const { button } = toolButton(icon, label, hint);
    button.addEventListener('click', () => { player.stop(); act(); });
    return button;
  };

  const copyLink = async () => {
    const link = linkTo(location.href, page, `${model.get('depth')},${Number(model.get('weight_scale').toPrecision(4))}`);
    try {
      await navigator.clipboard.writeText(link);
      say('Link copied.');
    } catch { // not allowed, or not there
      const field = element('input', { readonly: '', value: link, 'aria-label': 'Link to this place, to copy' });
      say('Copy this link: ', field);
      field.select();
    }
  };
  const file = (kind) => {
    const view = own.view();
    tell();
    const name = `${slug(`${own.fileName} depth ${view.depth} weight scale ${Number(view.scale.toPrecision(4))}`)}.${kind}`;
    if (kind === 'csv') save(name, 'text/csv;charset=utf-8', csvOf(own.columns(view)));
    else save(name, 'image/svg+xml;charset=utf-8', svgOf(root, [sentence, panels], own.curveLabel, sentence.textContent));
    say(`Saved ${name}`);
  };
  const row = element('div', { class: 'ug-tools', role: 'group', 'aria-label': 'Tools of this picture' },
    axes.scale.tool.button, axes.depth.tool.button,
    tool('reset', 'Reset', 'Go back to the first place', () => put(...home)),
    ...(page ? [tool('link', 'Copy link', 'Copy a link that opens this page with the sliders where they are', copyLink)] : []),
    tool('save', 'SVG', 'Save the picture as an SVG file', () => file('svg')),
    tool('save', 'CSV', 'Save the picture’s numbers as a CSV file', () => file('csv')),
    note);

  if (page) {
    const { place, remark } = askedIn(location.search, page, depths, scales);
    if (place) put(...place);
    if (remark) setTimeout(() => say(remark), 300); // once it stands in the page: then it is spoken, too
  }
  return { ...player, row, moved: () => { if (note.firstChild && !player.playing()) say(); player.moved(); } };
}

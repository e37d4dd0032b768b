// The static page's view of ipywidgets' sliders: a rail, and a handle that is a range input of the browser's own, so that
// telephones and screen readers know it. It does as much as a slider of the course needs and no more: what a key costs
// stands between the reader and the picture.
import { DescriptionView } from '@jupyter-widgets/controls/lib/widget_description';

const element = (name, className, attributes = {}) => {
  const node = Object.assign(document.createElement(name), { className });
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

const SAY = 50; // milliseconds from the picture to the number beside the rail: nobody reads one in the time of a frame
const REFUSED = 10_000; // milliseconds that a refusal stays
const PAGE = 5; // steps of PageUp and PageDown
const KEYS = {
  ArrowLeft: (at) => Math.ceil(at - 0.01) - 1,
  ArrowRight: (at) => Math.floor(at + 0.01) + 1,
  PageDown: (at) => Math.ceil(at - 0.01) - PAGE,
  PageUp: (at) => Math.floor(at + 0.01) + PAGE,
  Home: () => 0,
  End: () => Infinity,
};
Object.assign(KEYS, { ArrowDown: KEYS.ArrowLeft, ArrowUp: KEYS.ArrowRight });

let labels = 0;

/** A slider whose stops are numbered from 0: `valueAt(stop)` and `placeOf(value)`, which may lie between two,
 * say which is which. */
class SliderView extends DescriptionView {
  render() {
    super.render();
    this.el.classList.add('jupyter-widgets', 'widget-inline-hbox', 'widget-slider', 'widget-hslider');
    this.label.id = `widget-label-${labels++}`;
    const words = this.model.get('description');
    this.handle = element('input', 'ug-handle', { type: 'range', min: 0, step: 1, 'aria-labelledby': this.label.id });
    this.stand = element('div', 'ug-stand');
    this.stand.append(this.handle);
    this.rail = element('div', 'ug-rail');
    this.rail.append(this.stand);
    this.readout = element('div', 'widget-readout', { contenteditable: 'true', role: 'textbox', 'aria-label': `${words}, type a value` });
    const room = element('div', 'ug-slide');
    room.append(this.rail);
    this.el.append(room, this.readout);

    this.handle.takesKey = (event) => this.takesKey(event);
    this.handle.addEventListener('keydown', (event) => { if (event.key in KEYS) event.preventDefault(); });
    this.handle.addEventListener('input', () => this.goTo(this.handle.valueAsNumber)); // by a screen reader's own gesture
    this.followPointer();
    this.readout.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      this.typed();
    });
    this.readout.addEventListener('focus', () => { if (this.saying) this.say(); }); // not in the midst of what is typed
    this.readout.addEventListener('blur', () => this.typed());
    this.readout.addEventListener('input', () => this.refused?.remove());
    this.handle.max = this.last;
    this.listenTo(this.model, 'change:value', this.show);
    this.show();
    this.say();
  }

  updateTooltip() {
    if (this.model.get('tooltip')) super.updateTooltip();
  }

  /** How many steps the rail is long; the last one may be shorter. */
  get length() { return (this.model.get('max') - this.model.get('min')) / this.model.get('step'); }

  get last() { return Math.ceil(this.length - 1e-6); }

  /** Goes to the stop next to a place; whether the slider then has another value. */
  goTo(place) {
    const { length, last } = this;
    const stop = place > length - 1e-6 ? last : Math.max(Math.round(place), 0);
    const value = this.valueAt(stop);
    if (value === this.model.get('value')) return false;
    this.model.set('value', value);
    return true;
  }

  show() {
    const share = this.placeOf(this.model.get('value')) / this.length;
    this.stand.style.marginLeft = `${100 * Math.min(Math.max(share, 0), 1)}%`;
    this.saying ||= setTimeout(() => this.say(), SAY);
  }

  say() {
    clearTimeout(this.saying);
    this.saying = 0;
    this.refused?.remove();
    const value = this.model.get('value');
    this.readout.textContent = this.model.readout_formatter(value);
    this.handle.value = Math.round(this.placeOf(value));
    this.handle.setAttribute('aria-valuetext', this.readout.textContent);
  }

  /** Takes a key before the page does (`wake.js`); whether it moved the slider. */
  takesKey({ key, altKey, ctrlKey, metaKey }) {
    if (altKey || ctrlKey || metaKey || !(key in KEYS)) return false;
    return this.goTo(KEYS[key](this.placeOf(this.model.get('value'))));
  }

  /** Goes to the value that was typed; what is none, or lies beyond an end, is told. */
  typed() {
    this.refused?.remove();
    const text = this.readout.textContent.trim();
    const written = (value) => this.model.readout_formatter(value);
    if (text === written(this.model.get('value'))) return;
    const [least, most] = [this.valueAt(0), this.valueAt(this.last)];
    const typed = Number(text.replace(',', '.') || NaN);
    const value = Math.min(Math.max(typed, least), most);
    if (!Number.isNaN(value)) this.goTo(this.placeOf(value));
    this.say();
    if (text && (Number.isNaN(value) || written(value) !== written(typed))) {
      this.refuse(`Type a number from ${written(least)} to ${written(most)}, not “${text.slice(0, 20)}”.`);
    }
  }

  /** Shows why, until the slider moves, the reader goes on or types, or some seconds have passed. */
  refuse(words) {
    const note = element('p', 'ug-refused', { role: 'alert' });
    note.textContent = words;
    this.el.append(note);
    this.refused = note;
    setTimeout(() => note.remove(), REFUSED);
  }

  /** A mouse leads at once, and so does a finger on the handle. Another finger leads by a tap, or once it has set out sideways. */
  followPointer() {
    let from = null;
    const lead = ({ clientX }) => this.goTo(((clientX - from.start) / from.width) * this.length);
    this.rail.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      event.preventDefault();
      this.handle.focus({ preventScroll: true });
      const [rail, handle] = [this.rail, this.handle].map((node) => node.getBoundingClientRect());
      const room = parseFloat(getComputedStyle(this.rail).paddingLeft);
      const off = event.clientX - handle.left - handle.width / 2;
      const held = Math.abs(off) <= handle.width / 2;
      from = {
        x: event.clientX, y: event.clientY, leads: held || event.pointerType === 'mouse',
        start: rail.left + room + (held ? off : 0), width: rail.width - 2 * room,
      };
      this.rail.setPointerCapture(event.pointerId);
      if (from.leads) lead(event);
    });
    this.rail.addEventListener('pointermove', (event) => {
      if (!from) return;
      const [x, y] = [Math.abs(event.clientX - from.x), Math.abs(event.clientY - from.y)];
      from.leads ||= x > Math.max(y, 6);
      if (from.leads) lead(event);
    });
    this.rail.addEventListener('pointerup', (event) => {
      if (from) lead(event);
      from = null;
    });
    this.rail.addEventListener('pointercancel', () => { from = null; });
  }
}

export class IntSliderView extends SliderView {
  valueAt(stop) { return Math.min(this.model.get('min') + stop * this.model.get('step'), this.model.get('max')); }
  placeOf(value) { return (value - this.model.get('min')) / this.model.get('step'); }
}

export class FloatLogSliderView extends SliderView {
  valueAt(stop) { return this.model.get('base') ** Math.min(this.model.get('min') + stop * this.model.get('step'), this.model.get('max')); }
  placeOf(value) { return (Math.log(value) / Math.log(this.model.get('base')) - this.model.get('min')) / this.model.get('step'); }
}

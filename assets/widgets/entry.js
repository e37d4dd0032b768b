// Brings the ipywidgets of a static page to life: a widget manager with base, controls and anywidget, and no kernel.
// jslinks between widgets run here in the browser; that is why a slider moves a picture with no server.
import * as base from '@jupyter-widgets/base';
import * as controls from '@jupyter-widgets/controls';
import { ManagerBase } from '@jupyter-widgets/base-manager';
import { Widget } from '@lumino/widgets';
import '@lumino/widgets/style/index.css';
import '@jupyter-widgets/controls/css/widgets-base.css';
import '@jupyter-widgets/controls/css/labvariables.css';
import anywidgetFactory from 'anywidget-factory';

const MODULES = {
  '@jupyter-widgets/base': base,
  '@jupyter-widgets/controls': controls,
  anywidget: anywidgetFactory(base),
};
const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

class StaticManager extends ManagerBase {
  async loadClass(className, moduleName) {
    const found = MODULES[moduleName]?.[className];
    if (!found) throw new Error(`this page's widget bundle has no ${className} of ${moduleName}`);
    return found;
  }
  async _get_comm_info() { return {}; }
  async _create_comm() { return { on_close() {}, on_msg() {}, close() {}, send() {} }; }
}

const stylesheet = document.createElement('link');
stylesheet.rel = 'stylesheet';
stylesheet.href = new URL('widgets.css', document.currentScript.src).href;
document.head.append(stylesheet);

// ipywidgets asks MathJax 2 for its queue on every page that has maths; the site has MathJax 3.
function shimMathJax() {
  let mathjax = window.MathJax;
  const withHub = (value) => {
    if (value && !value.Hub) value.Hub = { Queue() {} };
    return value;
  };
  withHub(mathjax);
  Object.defineProperty(window, 'MathJax', {
    configurable: true,
    get: () => mathjax,
    set: (value) => { mathjax = withHub(value); },
  });
}

// ipywidgets' sliders have no accessible name, and a log slider speaks its exponent instead of its value.
let labels = 0;
function nameSliders(root) {
  for (const slider of root.querySelectorAll('.widget-slider')) {
    const handle = slider.querySelector('.noUi-handle');
    const label = slider.querySelector('.widget-label');
    const readout = slider.querySelector('.widget-readout');
    if (!handle || !label) continue;
    label.id ||= `widget-label-${labels++}`;
    handle.setAttribute('aria-labelledby', label.id);
    if (!readout) continue;
    const speak = () => {
      if (handle.getAttribute('aria-valuetext') !== readout.textContent) {
        handle.setAttribute('aria-valuetext', readout.textContent);
      }
    };
    new MutationObserver(speak).observe(readout, { childList: true, characterData: true, subtree: true });
    new MutationObserver(speak).observe(handle, { attributes: true, attributeFilter: ['aria-valuetext'] });
    speak();
    if (readout.isContentEditable) {
      readout.setAttribute('role', 'textbox');
      readout.setAttribute('aria-label', `${label.textContent}, type a value`);
    }
  }
}

async function show(manager, models, script) {
  const { model_id: id } = JSON.parse(script.textContent);
  const model = models.find((candidate) => candidate.model_id === id);
  if (!model) throw new Error(`the page holds no state for widget ${id}`);
  const explorer = script.closest('[id^="explorer-"]');
  if (explorer) model.get('children').at(-1).set('place', explorer.id); // so that its picture can read and write links
  const place = document.createElement('div');
  place.className = 'widget-subarea';
  script.before(place);
  const view = await manager.create_view(model);
  Widget.attach(view.luminoWidget, place);
  await view.displayed;
  await new Promise(requestAnimationFrame);
  nameSliders(place);
}

function apologize(script, error) {
  console.error(error);
  const note = document.createElement('p');
  note.setAttribute('role', 'status');
  note.textContent = `This interactive figure could not be shown (${error.message}). Reload the page to try again.`;
  script.before(note);
}

/** Once all stand in their places: back to the explorer that the address names, unless it is in sight or the reader moved on. */
function keepInSight() {
  const [, id] = location.hash.match(/^#(explorer-\d+)$/) ?? [];
  let moved = false;
  for (const kind of ['wheel', 'pointerdown', 'touchstart', 'keydown']) {
    addEventListener(kind, () => { moved = true; }, { once: true, passive: true });
  }
  return () => {
    const place = id && !moved && document.getElementById(id);
    if (!place) return;
    const { top } = place.getBoundingClientRect();
    if (top < 0 || top > innerHeight / 2) place.scrollIntoView();
  };
}

/** The state of the page's widgets: in the page, or in a script of its own, which a page opened from disk can load too. */
async function stateOf(element) {
  const { src } = element.dataset;
  if (!src) return JSON.parse(element.textContent);
  await new Promise((done, failed) => {
    const script = document.createElement('script');
    Object.assign(script, { src, onload: done, onerror: () => failed(new Error('its data did not arrive')) });
    document.head.append(script);
  });
  return globalThis.explorersOfThisPage;
}

const idle = () => new Promise((done) => (window.requestIdleCallback ? requestIdleCallback(() => done(), { timeout: 1000 }) : setTimeout(done, 50)));

/**
 * Brings each explorer to life when it comes near the window; and all of them, one at a time, once the reader begins to move
 * or to print. So a page is there to be read before its explorers, and none is found asleep.
 */
function awaken(scripts, bringToLife) {
  const asleep = new Map(scripts.map((script) => [script.parentElement, script]));
  const wake = async (place) => {
    const script = asleep.get(place);
    if (!asleep.delete(place)) return;
    near.unobserve(place);
    await bringToLife(script);
  };
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) wake(target);
  }, { rootMargin: '50% 0px' });
  for (const place of asleep.keys()) near.observe(place);
  const signs = ['scroll', 'keydown', 'pointerdown', 'beforeprint'];
  const wakeAll = async () => {
    for (const sign of signs) removeEventListener(sign, wakeAll);
    for (const place of [...asleep.keys()]) {
      await idle();
      await wake(place);
    }
  };
  for (const sign of signs) addEventListener(sign, wakeAll, { passive: true });
}

function main() {
  shimMathJax();
  const inSight = keepInSight();
  const state = document.querySelector(STATE);
  const scripts = [...document.querySelectorAll(VIEW)];
  const manager = new StaticManager();
  let models = null;
  let alive = 0;
  const announce = () => { if (alive === scripts.length) document.documentElement.dataset.widgets = 'ready'; };
  awaken(scripts, async (script) => {
    try {
      models ??= stateOf(state).then((given) => manager.set_state(given));
      await show(manager, await models, script);
    } catch (error) {
      apologize(script, error);
    }
    alive += 1;
    inSight();
    announce();
  });
  announce();
}

if (document.readyState === 'loading') addEventListener('DOMContentLoaded', main);
else main();

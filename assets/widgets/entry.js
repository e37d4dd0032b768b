// The widget bundle: a manager with base, controls and anywidget, and no kernel. wake.js loads it when an explorer wakes.
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

/** Shows the view that a script of the page names, before that script. */
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

/** From the state of a page's widgets, what shows one of its views: `await widgetsFrom(state)`, then `show(script)`. */
globalThis.widgetsFrom = async (state) => {
  const manager = new StaticManager();
  const models = await manager.set_state(state);
  return (script) => show(manager, models, script);
};

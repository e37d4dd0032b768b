// The widget bundle: a manager with base, what the course uses of controls, and anywidget, and no kernel. wake.js loads it when an explorer wakes.
// jslinks between widgets run here in the browser; that is why a slider moves a picture with no server.
import * as base from '@jupyter-widgets/base';
import { VBoxModel, VBoxView } from '@jupyter-widgets/controls/lib/widget_box';
import { FloatLogSliderModel } from '@jupyter-widgets/controls/lib/widget_float';
import { IntSliderModel, SliderStyleModel } from '@jupyter-widgets/controls/lib/widget_int';
import { DirectionalLinkModel, LinkModel } from '@jupyter-widgets/controls/lib/widget_link';
import { ManagerBase } from '@jupyter-widgets/base-manager';
import { Widget } from '@lumino/widgets';
import '@lumino/widgets/style/index.css';
import '@jupyter-widgets/controls/css/widgets-base.css';
import '@jupyter-widgets/controls/css/labvariables.css';
import anywidgetFactory from 'anywidget-factory';
import * as sliders from './slider.js';

const MODULES = {
  '@jupyter-widgets/base': base,
  '@jupyter-widgets/controls': { VBoxModel, VBoxView, FloatLogSliderModel, IntSliderModel, SliderStyleModel, DirectionalLinkModel, LinkModel, ...sliders },
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
}

/** From the state of a page's widgets, what shows one of its views: `await widgetsFrom(state)`, then `show(script)`. */
globalThis.widgetsFrom = async (state) => {
  const manager = new StaticManager();
  const models = await manager.set_state(state);
  return (script) => show(manager, models, script);
};

// Brings each explorer of a page to life when the reader comes near it. Until then the page loads neither the widget bundle
// nor the explorers' data, so that its words are there first.
{
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const BUNDLE = new URL('widgets.js', document.currentScript.src).href;

  // A slider takes its keys first of all, since the theme goes through the whole page at each key that it hears of.
  addEventListener('keydown', (event) => {
    if (!event.target.takesKey?.(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

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

  /** Runs a script of the site, which a page opened from disk can do too. */
  const load = (src, missing) => new Promise((done, failed) => {
    const script = document.createElement('script');
    Object.assign(script, { src, onload: () => done(), onerror: () => failed(new Error(`${missing} did not arrive`)) });
    document.head.append(script);
  });

  /** The state of the page's widgets: in the page, or in a script of its own. */
  async function stateOf(element) {
    if (!element.dataset.src) return JSON.parse(element.textContent);
    await load(element.dataset.src, 'its data');
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
    const inSight = keepInSight();
    const state = document.querySelector(STATE);
    const scripts = [...document.querySelectorAll(VIEW)];
    let showing = null;
    let alive = 0;
    const announce = () => { if (alive === scripts.length) document.documentElement.dataset.widgets = 'ready'; };
    awaken(scripts, async (script) => {
      try {
        showing ??= Promise.all([stateOf(state), load(BUNDLE, 'what draws it')]).then(([given]) => globalThis.widgetsFrom(given));
        await (await showing)(script);
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
}

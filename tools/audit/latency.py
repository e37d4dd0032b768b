"""From a key press on a slider to the picture, on a processor four times slower.

Chromium slows a page by stopping its thread with signals. Where a signal costs time, as in a virtual machine, its rate of 4
makes a page five times slower. So the audit first measures a piece of drawing at full speed and at Chromium's rate of
4 (`slowdown`), takes the rate at which it should take four times as long (`rate_for`), and measures what that reaches. It
prints the presses at both rates.

What is measured, for each real key press that moves a slider's handle:

- **work**: from the moment that the browser gave the event its time stamp to the end of the last frame in which one of the
  explorer's drawings or its place changed. The frame's end is a message posted from its ``requestAnimationFrame``, which
  arrives after style, layout and paint on the main thread. In this browser frames are not held back to a screen's
  rate, so this is what the page itself takes. Rastering and the screen come on top.
- **to paint**: the Event Timing entry of the same press at 60 frames a second, as a reader's screen has them: to the next
  paint, in steps of 8 ms, waiting for the screen included. For information: with 16.7 ms a frame, a press that falls
  at random waits 8 ms on average before any work is done.
"""

import statistics

from playwright.sync_api import Page

from .visit import READY

SLOWER = 4
UNTHROTTLED = ("--disable-frame-rate-limit", "--disable-gpu-vsync")

WATCH_KEYS = """
  window.__work = []; window.__paints = [];
  addEventListener('keydown', event => window.__onKey?.(event), true); // before the page's own: a slider may keep its keys to itself
  new PerformanceObserver(list => { for (const e of list.getEntries()) if (e.name === 'keydown') window.__paints.push(e.duration); })
    .observe({ type: 'event', durationThreshold: 16, buffered: true });
  window.__follow = number => {
    const root = document.querySelectorAll('.ug-explorer')[number];
    root.scrollIntoView({ behavior: 'instant', block: 'center' });
    // The watching is work on the same processor, so it does as little as it can: what a drawing changes, it changes in a
    // line, too, and all else is made beforehand.
    const drawn = new MutationObserver(() => { dirty = true; });
    for (const svg of root.querySelectorAll('svg, canvas')) drawn.observe(svg, { subtree: true, childList: true, attributeFilter: ['d', 'points'] });
    drawn.observe(root, { attributeFilter: ['data-depth', 'data-weight-scale', 'data-source'] });
    let dirty = false, start = 0, end = null, quiet = 0;
    const after = new MessageChannel();
    const frame = () => after.port2.postMessage(null);
    after.port1.onmessage = () => {
      if (dirty) { end = performance.now(); dirty = false; quiet = 0; } else quiet++;
      if (quiet < 6) { requestAnimationFrame(frame); return; } // long enough for a drawing that was put off to come in
      window.__work.push(end === null ? null : end - start);
      console.debug('press measured');
    };
    window.__unfollow?.();
    window.__unfollow = () => drawn.disconnect();
    window.__onKey = event => {
      [start, end, quiet, dirty] = [event.timeStamp, null, 0, false];
      requestAnimationFrame(frame);
    };
  };"""


SLIDERS = "[role=slider], input[type=range]"
# Around each explorer the least box that holds its sliders too gets the explorer's number.
NUMBER_EXPLORERS = """() => [...document.querySelectorAll('.ug-explorer')].map((root, number) => {
  let box = root;
  while (!box.querySelector('[role=slider], input[type=range]')) box = box.parentElement;
  box.dataset.audit = number;
}).length"""


def _press(page: Page, handle, presses: int) -> list[float]:
    """Milliseconds of work for each press that moved the picture; there and back again from the middle of the rail.

    While the page works we ask it nothing, since what it answers is work on the same processor, and the key goes up after
    80 ms, as a finger's does.
    """
    handle.focus()
    page.wait_for_timeout(300)
    for press in range(presses):
        with page.expect_console_message(lambda message: message.text == "press measured"):
            page.keyboard.press("ArrowRight" if press % 4 < 2 else "ArrowLeft", delay=80)
        page.wait_for_timeout(100)
    return [work for work in page.evaluate("window.__work.splice(0)") if work is not None]


def _throttled(page: Page):
    """A function that sets Chromium's rate for a page."""
    session = page.context.new_cdp_session(page)
    return lambda rate: session.send("Emulation.setCPUThrottlingRate", {"rate": rate})


# Ten lines that move, styled and laid out six times: what a press costs, in script as in the browser's own work.
PIECE = """async () => {
  document.body.innerHTML ||= `<svg width="800" height="300">${'<polyline fill="none"/>'.repeat(10)}</svg>`;
  const svg = document.querySelector('svg'), times = [];
  for (let k = 0; k < 5; k++) {
    await new Promise(done => setTimeout(done, 10));
    const start = performance.now();
    for (let move = 0; move < 6; move++) {
      for (const [n, line] of [...svg.children].entries()) {
        line.setAttribute('points', Array.from({ length: 40 }, (_, i) => `${20 * i},${(150 + 100 * Math.sin(i + n + move + k)).toFixed(1)}`).join(' '));
      }
      svg.getBBox();
    }
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[2];
}"""


def slowdown(browser, rate: float) -> float:
    """How many times slower a piece of drawing is at Chromium's ``rate`` than at full speed: median of pairs, each taken at once.

    A machine that others use too is slow for a second and fast for another; both of a pair see the same.
    """
    page = browser.new_page()
    throttle, pairs = _throttled(page), []
    for _ in range(25):
        pair = []
        for each in (1, rate):
            throttle(each)
            pair.append(page.evaluate(PIECE))
        pairs.append(pair[1] / pair[0])
    page.close()
    return statistics.median(pairs)


def rate_for(slowdown_at_four: float) -> float:
    """Chromium's rate that slows a page four times, where its rate of 4 slows it ``slowdown_at_four`` times.

    The slowdown is taken to grow along a straight line from (1, 1); what is reached can be measured.

    >>> rate_for(4.0), rate_for(5.5)
    (4.0, 3.0)
    """
    return 1 + (SLOWER - 1) ** 2 / (slowdown_at_four - 1)


def latencies(browser, base: str, name: str, *, rate: float = SLOWER, presses: int = 12) -> dict[str, list[float]]:
    """Key presses on each slider of each explorer of a page: ``work`` and ``paints``, in milliseconds."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(WATCH_KEYS)
    page = context.new_page()
    page.goto(base + name, wait_until="load")
    page.wait_for_function(READY, timeout=30_000)
    page.wait_for_load_state("networkidle")
    _throttled(page)(rate)
    work = []
    for number in range(page.evaluate(NUMBER_EXPLORERS)):
        page.evaluate("number => window.__follow(number)", number)
        for handle in page.locator(f'[data-audit="{number}"]').locator(SLIDERS).all():
            work += _press(page, handle, presses)
    paints = page.evaluate("window.__paints")
    context.close()
    return {"work": work, "paints": paints}

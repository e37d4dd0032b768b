// Firefox on pages of the site. The argument is JSON: {executablePath, urls}. Prints a line for each page: how many
// explorers it has, which sliders moved their picture, and what went wrong.
import puppeteer from 'puppeteer-core';

const { executablePath, urls } = JSON.parse(process.argv[2]);
const SLIDERS = 'input[type=range]';
const browser = await puppeteer.launch({ browser: 'firefox', protocol: 'webDriverBiDi', executablePath, headless: true });

/** What a picture shows, to tell whether it changed: its place and its drawing. */
const shown = (page, number) => page.evaluate((n) => {
  const root = document.querySelectorAll('.ug-explorer')[n];
  return JSON.stringify({ ...root.dataset }) + [...root.querySelectorAll('svg')].map((svg) => svg.innerHTML).join('');
}, number);

try {
  for (const url of urls) {
    const page = await browser.newPage();
    const wrong = [];
    page.on('console', (message) => { if (['error', 'warn', 'warning'].includes(message.type())) wrong.push(message.text()); });
    page.on('pageerror', (error) => wrong.push(String(error)));
    page.on('requestfailed', (request) => wrong.push(`failed: ${request.url()}`));
    page.on('response', (response) => { if (response.status() >= 400) wrong.push(`${response.status()}: ${response.url()}`); });
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(url, { waitUntil: 'load' });
    const expected = await page.$$eval('script[type="application/vnd.jupyter.widget-view+json"]', (views) => views.length);
    let pictures = 0, moved = 0, sliders = 0;
    const stuck = [];
    try {
      if (expected) await page.waitForFunction(() => dispatchEvent(new Event('beforeprint')) && document.documentElement.dataset.widgets === 'ready' && document.querySelector('.ug-curve > svg .ug-mark'), { timeout: 30_000 });
      pictures = await page.$$eval('.ug-explorer', (roots) => roots.length);
      for (let number = 0; number < pictures; number++) {
        const handles = await page.evaluateHandle((n, selector) => {
          let box = document.querySelectorAll('.ug-explorer')[n];
          while (!box.querySelector(selector)) box = box.parentElement;
          return [...box.querySelectorAll(selector)];
        }, number, SLIDERS);
        const count = await handles.evaluate((list) => list.length);
        for (let i = 0; i < count; i++) {
          sliders++;
          const before = await shown(page, number);
          const atEnd = await handles.evaluate((list, i) => {
            list[i].scrollIntoView({ block: 'center' });
            list[i].focus();
            return list[i].value === list[i].max;
          }, i);
          await page.keyboard.press(atEnd ? 'ArrowLeft' : 'ArrowRight');
          const deadline = Date.now() + 5000;
          let changed = false;
          while (!changed && Date.now() < deadline) {
            changed = await shown(page, number) !== before;
            if (!changed) await new Promise((done) => setTimeout(done, 50));
          }
          if (changed) moved++; else stuck.push(`explorer ${number + 1}, slider ${i + 1}`);
        }
      }
    } catch (error) {
      wrong.push(String(error));
    }
    console.log(JSON.stringify({ url, expected, pictures, sliders, moved, stuck, wrong }));
    await page.close();
  }
} finally {
  await browser.close();
}

// Lighthouse on pages of the site. The argument is JSON: {executablePath, args, jobs: [{url, preset, categories}]}.
// Prints a line for each job: its scores, its layout shift, and the audits that cost points, each with its first place.
import desktop from 'lighthouse/core/config/desktop-config.js';
import lighthouse from 'lighthouse';
import puppeteer from 'puppeteer-core';

const { executablePath, args, jobs } = JSON.parse(process.argv[2]);

/** What an audit points at, in a few words. */
const place = (details) => {
  const item = details?.items?.[0];
  return item?.node?.snippet ?? item?.source?.url ?? item?.url ?? item?.description ?? '';
};

for (const { url, preset, categories } of jobs) {
  // A browser of its own for each, so that no run finds another's cache.
  const browser = await puppeteer.launch({ executablePath, args, headless: true });
  try {
    const options = { port: Number(new URL(browser.wsEndpoint()).port), output: 'json', logLevel: 'error', onlyCategories: categories };
    const { lhr } = await lighthouse(url, options, preset === 'desktop' ? desktop : undefined);
    const lost = [];
    for (const { id, auditRefs } of Object.values(lhr.categories)) {
      for (const ref of auditRefs) {
        const audit = lhr.audits[ref.id];
        if (ref.weight > 0 && audit.score !== null && audit.score < 1) lost.push({ category: id, audit: ref.id, score: audit.score, weight: ref.weight, value: audit.displayValue ?? '', place: place(audit.details) });
      }
    }
    const scores = Object.fromEntries(Object.values(lhr.categories).map(({ id, score }) => [id, score === null ? null : Math.round(100 * score)]));
    const shift = lhr.audits['cumulative-layout-shift']?.numericValue ?? null;
    const failed = lhr.runtimeError ? lhr.runtimeError.message : null;
    console.log(JSON.stringify({ url, preset, scores, shift, lost, failed }));
  } finally {
    await browser.close();
  }
}

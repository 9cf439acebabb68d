// Thousands of jobs change at once under an open page: how long it does not answer to a person.
import assert from 'node:assert/strict';
import { api, go, person, row, says, step, test, worker } from './harness.mjs';

const JOBS = 5000;
const BATCH = 1000;
// What a busy machine adds to a task of the page is not the page's.
const MOST = 1000;

// Asks for all jobs of a filter, step by step as the API has it.
async function all(verb, q) {
  for (let cursor; ;) {
    const answer = await api('POST', `jobs/${verb}`, { q, ...(cursor && { cursor }) });
    ({ nextCursor: cursor } = answer);
    if (!cursor) return;
  }
}

await test(async () => {
  const one = await person();
  const films = await worker(100);
  const run = await films.begin();
  await says(row(one, run.id), 'running');
  await one.evaluate(() => {
    window.long = [];
    new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) window.long.push(Math.round(duration)); }).observe({ entryTypes: ['longtask'] });
  });
  const count = (state, wanted) => says(one.locator(`.tabs a[data-tone=${state}]`), wanted);
  let requests = 0;
  one.on('request', () => { requests += 1; });

  await step(`${JOBS} jobs are submitted, cancelled, tried again and cancelled while one runs`, async () => {
    const begun = Date.now();
    for (let made = 0; made < JOBS; made += BATCH) {
      await api('POST', 'jobs', Array.from({ length: BATCH }, () => ({ kind: 'film.render', args: {}, held: true, labels: { set: 'many' } })));
    }
    await all('cancel', 'state:pending');
    await all('retry', 'state:cancelled');
    await all('cancel', 'state:pending');
    await run.progress(7, 10, { unit: 'frames' });
    await count('cancelled', '5,000');
    await go(one, '#/jobs?q=state:running');
    await says(row(one, run.id), '70 %');
    const seconds = (Date.now() - begun) / 1000;
    const long = await one.evaluate(() => window.long);
    const nodes = await one.evaluate(() => document.getElementsByTagName('*').length);
    const measured = { changes: JOBS * 4, seconds, requests, nodes, longTasks: long.length, over200: long.filter((ms) => ms > 200).length, longest: Math.max(0, ...long) };
    // Shown where the test's output is.
    console.error(`measured: ${JSON.stringify(measured)}`);
    assert(measured.longest <= MOST, `a task of ${measured.longest} ms`);
    // A request for each change would be thousands.
    assert(requests < 20 + 10 * seconds, `${requests} requests in ${seconds} s`);
    assert(nodes < 5000, `${nodes} elements`);
    return measured;
  });
});

// The list open for an hour, or for as many minutes as the last argument says, under 1,000 events a second: what the page holds
// after each minute. `script/bench --long` runs it; it takes too long for a test.
import { person, row, says, step, test, worker } from './harness.mjs';

const MINUTES = Number(process.argv[5] ?? 60);
const JOBS = 200;
const RATE = 1000;
const TICK = 50;

// Reports as many a second as wanted, and no more than that late ones are made up for.
async function chatter(runs, end) {
  let told = 0;
  let next = 0;
  const begun = Date.now();
  const reports = new Set();
  while (Date.now() < end) {
    const due = Math.floor(((Date.now() - begun) / 1000) * RATE);
    for (let behind = Math.min(due - told, 2 * RATE * (TICK / 1000)); behind > 0 && reports.size < 64; behind -= 1) {
      const run = runs[next % JOBS];
      next += 1;
      told += 1;
      const report = run.progress(next % 1000, 1000, { unit: 'frames', currentTask: `Frame ${next}` }).finally(() => reports.delete(report));
      reports.add(report);
    }
    // What could not be told in time is not gathered.
    if (due - told > RATE) told = due;
    await new Promise((resolve) => { setTimeout(resolve, TICK); });
  }
  await Promise.all(reports);
  return next / ((Date.now() - begun) / 1000);
}

await test(async () => {
  const one = await person();
  const films = await worker(JOBS);
  const runs = [];
  for (let n = 0; n < JOBS; n += 1) runs.push(await films.begin());
  await says(row(one, runs.at(-1).id), 'running');
  const devtools = await one.context().newCDPSession(one);
  const held = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = await devtools.send('Runtime.getHeapUsage');
    const { nodes, jsEventListeners: listeners } = await devtools.send('Memory.getDOMCounters');
    return { heapKiB: Math.round(usedSize / 1024), nodes, listeners };
  };
  let rate;
  const end = Date.now() + MINUTES * 60_000;
  const chattering = chatter(runs, end).then((value) => { rate = value; });
  for (let minute = 1; minute <= MINUTES; minute += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 60_000); });
    await step(`minute ${minute}`, held);
  }
  await chattering;
  await step('at the end', async () => ({ eventsPerSecond: Math.round(rate), ...(await held()) }));
});

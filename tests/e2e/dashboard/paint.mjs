// How soon the list is painted, over as many jobs as the server has: `script/bench --long` runs it. First contentful paint, and
// when the first row is there, from the moment the address is entered, by a browser that has seen the page before.
import { log, person, seen, test } from './harness.mjs';

const ROUNDS = 9;
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

await test(async () => {
  const one = await person();
  const paints = [];
  const rows = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await one.reload({ waitUntil: 'commit' });
    await seen(one.locator('tbody tr').first());
    const [paint, row] = await one.evaluate(() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()]);
    paints.push(Math.round(paint));
    rows.push(Math.round(row));
  }
  log(JSON.stringify({ event: 'step', body: { name: 'the list is opened', firstPaintMs: median(paints), firstRowMs: median(rows) } }));
});

// The server is killed and started again under open pages. It says `ready` when that may be done.
import { readFileSync } from 'node:fs';
import { api, log, page, person, profile, row, says, seen, sign, step, test, tokenFile, url, worker } from './harness.mjs';

await test(async () => {
  const films = await worker();
  const run = await films.begin();
  // One who opened a link, and one who showed the server's token, which outlives the server.
  const visitor = await person();
  const keeper = await page(await profile());
  await keeper.goto(url);
  await keeper.locator('#token').fill(readFileSync(tokenFile, 'utf8').trim());
  await keeper.getByRole('button', { name: 'Open' }).click();
  for (const one of [visitor, keeper]) await says(row(one, run.id), 'running');

  await step('while nobody answers, the pages keep what they show and say since when it is old', async () => {
    log(JSON.stringify({ event: 'ready', body: {} }));
    for (const one of [visitor, keeper]) {
      await says(sign(one), /stale since/i);
      await seen(row(one, run.id));
    }
    log(JSON.stringify({ event: 'stale', body: {} }));
  });

  await step('who has a token that the new server knows goes on, and reads what was missed', async () => {
    await says(sign(keeper), 'Live');
    await run.end();
    await says(row(keeper, run.id), 'completed');
  });

  await step('a session of the old server has ended; a new link wakes its page', async () => {
    await says(visitor.locator('#bar'), 'session has ended');
    await says(row(visitor, run.id), 'running');
    const { url: link } = await api('POST', 'dashboard/links');
    const tab = await page(visitor.context());
    await tab.goto(link);
    await says(sign(visitor), 'Live');
    await says(row(visitor, run.id), 'completed');
  });
});

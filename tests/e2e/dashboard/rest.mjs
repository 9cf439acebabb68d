// Who works, what submits by itself, and what happened of late: workers, schedules and charts.
import assert from 'node:assert/strict';
import { api, go, job, person, says, step, submit, test, until, worker } from './harness.mjs';

await test(async () => {
  const one = await person();
  const films = await worker(4);

  await step('a worker shows what it holds, until it has ended that', async () => {
    await go(one, '#/workers');
    const line = one.locator('table.workers tbody tr', { hasText: 'browser-test' });
    await says(line, /idle.*0 jobs, 8 slots.*films 4, mail 4.*nothing.*film\.render/s);
    const run = await films.begin();
    await says(line, /busy.*1 job, 8 slots/s);
    await line.getByRole('link', { name: run.id }).click();
    await says(one.locator('header.job'), 'running');
    await go(one, '#/workers');
    await run.end();
    await says(line, 'idle');
    await says(one.locator('table.workers tbody tr', { hasText: 'in this server' }), 'longhaul.run');
  });

  await step('a worker that leaves is gone', async () => {
    await api('DELETE', films.path);
    await until('one line', async () => (await one.locator('table.workers tbody tr').count()) === 1);
  });

  const again = await worker();
  await step('a schedule is paused, resumed and run', async () => {
    await go(one, '#/schedules');
    await says(one.locator('main'), 'No schedules yet');
    await api('PUT', 'schedules/nightly', { cron: '0 3 * * *', zone: 'Europe/Berlin', kind: 'film.render', args: { title: 'Night' } });
    await one.reload();
    const line = one.locator('table.schedules tbody tr');
    await says(line, /nightly.*film\.render.*active.*0 3 \* \* \*.*Europe\/Berlin.*not yet/s);
    await line.getByRole('button', { name: 'Pause nightly' }).click();
    await says(line, 'paused');
    assert.equal((await api('GET', 'schedules/nightly')).paused, true);
    await line.getByRole('button', { name: 'Resume nightly' }).click();
    await says(line, 'active');
    await line.getByRole('button', { name: 'Run now: nightly' }).click();
    const run = await again.claim();
    assert.deepEqual(run.args, { title: 'Night' });
    await says(one.locator('#toasts'), run.id);
    await run.end();
    await until('it ended', async () => (await job(run.id)).state === 'completed');
  });

  await step('charts have what ended, in a drawing and as a table', async () => {
    await again.failed('torn', 'the film is torn');
    await submit({ held: true });
    await go(one, '#/charts');
    const box = (title) => one.locator('section.figure-box', { has: one.getByRole('heading', { name: title }) });
    const ended = one.locator('section.figure-box').first();
    await says(ended, '3 jobs: 2 completed, 1 failed, 0 cancelled.');
    await ended.locator('summary', { hasText: 'as a table' }).click();
    await says(ended.locator('table'), /Completed\s+Failed\s+Cancelled\s+[0-9:]+\s+[12]/);
    assert(await ended.getByRole('img').isVisible());
    await says(box('Jobs that wait'), 'films up to 1');
  });
});

// Cancel and retry of all that a filter shows: counted by the server, confirmed, and done by a job of its own.
import assert from 'node:assert/strict';
import { api, go, gone, job, person, says, seen, step, submit, test, until } from './harness.mjs';

const blue = 'q=label.team%3Ablue';
const states = async (ids) => (await Promise.all(ids.map(job))).map(({ state }) => state);

await test(async () => {
  const one = await person();
  const dialog = one.getByRole('dialog');
  const press = (name) => dialog.getByRole('button', { name }).click();
  const ask = async (verb) => {
    await go(one, `#/jobs?${blue}`);
    await one.getByRole('button', { name: `${verb} all…` }).click();
    await seen(dialog);
  };
  // The jobs that did it, newest first.
  const made = async () => (await api('GET', 'jobs?kind=longhaul.bulk')).jobs;
  // Somebody must know the kind: it is the worker's.
  await api('POST', 'workers', { name: 'nobody', kinds: [{ name: 'film.render', queue: 'films' }] });
  const held = (n, more = {}) => Promise.all(Array.from({ length: n }, () => submit({ held: true, labels: { team: 'blue' }, ...more })));
  const ids = await held(12);
  const other = await submit({ held: true });

  await step('the server counts, and more than a few are confirmed by typing their number', async () => {
    await ask('Cancel');
    await says(dialog, '12 jobs can be changed now');
    const confirm = dialog.getByRole('button', { name: 'Cancel 12 jobs' });
    for (const [typed, enabled] of [['', false], ['11', false], ['12', true]]) {
      await dialog.getByRole('textbox').fill(typed);
      assert.equal(await confirm.isEnabled(), enabled, typed);
    }
    assert.deepEqual(new Set(await states(ids)), new Set(['pending']));
  });

  await step('a job of its own does it, and says what it came to', async () => {
    await press('Cancel 12 jobs');
    await says(dialog, '12 jobs cancelled, or told to stop.');
    assert.deepEqual(new Set(await states(ids)), new Set(['cancelled']));
    assert.equal((await job(other)).state, 'pending');
    const [by] = await made();
    assert.deepEqual((await job(by.jobId)).results, { matched: 12, done: 12, skipped: 0 });
    assert.equal(by.progress.percentage, 100);
    await press('Close');
    await gone(dialog);
  });

  await step('what was left out is said, and stands in its log', async () => {
    const labels = { team: 'red' };
    const [first] = await held(1, { labels, uniqueKey: 'k' });
    await api('POST', `jobs/${first}/cancel`);
    await held(1, { labels, uniqueKey: 'k' });
    await go(one, '#/jobs?q=label.team%3Ared+state%3Acancelled');
    await one.getByRole('button', { name: 'Retry all…' }).click();
    await says(dialog, '1 job can be changed now');
    await press('Retry 1 job');
    await says(dialog, '0 jobs tried again. 1 left out: its log says which.');
    await dialog.getByRole('link').click();
    await until('its page', () => one.url().includes('/jobs/'));
    await gone(dialog);
    await says(one.locator('header.job'), 'longhaul.bulk');
    const [by] = await made();
    assert.match((await api('GET', `jobs/${by.jobId}/log`)).lines[0].text, new RegExp(`^${first} left out`));
  });

  const waiting = await held(3);
  await step('it is stopped', async () => {
    await api('POST', 'queues/bulk/pause');
    await ask('Cancel');
    await press('Cancel 3 jobs');
    await press('Stop');
    await says(dialog, 'Stopped after 0 jobs');
    await press('Close');
    assert.deepEqual(new Set(await states(waiting)), new Set(['pending']));
  });

  await step('it goes on when the dialog is closed', async () => {
    await ask('Cancel');
    await press('Cancel 3 jobs');
    await says(dialog, /Waits until its queue bulk is resumed.*It goes on when this is closed/s);
    await press('Close');
    await gone(dialog);
    await api('POST', 'queues/bulk/resume');
    await until('all are cancelled', async () => (await states(waiting)).every((state) => state === 'cancelled'));
    await says(one.locator('tbody'), 'cancelled');
  });
});

// The list of jobs, seen by two people at once: rows that move, filters and their addresses, actions.
import assert from 'node:assert/strict';
import { api, go, job, person, row, says, seen, sign, step, submit, test, until, worker } from './harness.mjs';

const rows = (page) => page.locator('tbody tr');
const ids = (page) => rows(page).evaluateAll((all) => all.map((one) => one.dataset.id));
const toasts = (page) => page.locator('#toasts');
const confirmed = (page) => page.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click();

await test(async () => {
  const [anna, ben] = await Promise.all([person(), person()]);
  const films = await worker(100);
  let run;
  let broken;

  await step('rows move by themselves: bar, numbers, task, rate and time left', async () => {
    run = await films.begin({ labels: { team: 'blue' } });
    await run.progress(1, 1000, { unit: 'frames', currentTask: 'Rendering the harbour' });
    for (const page of [anna, ben]) await says(row(page, run.id), 'Rendering the harbour');
    let done = 1;
    await until('a rate and the time left', async () => {
      await run.progress((done += 1), 1000, { unit: 'frames' });
      return / left/.test(await row(anna, run.id).innerText()) && /\/s|\/min/.test(await row(anna, run.id).innerText());
    });
    await run.progress(500, 1000, { unit: 'frames' });
    await says(row(anna, run.id), /500 of 1,000 frames\s+50 %/);
    assert.equal(await row(anna, run.id).getByRole('progressbar').getAttribute('aria-valuenow'), '50');
  });

  await step('a paused page stays as it is while the other goes on, and then reads what it missed', async () => {
    await anna.keyboard.press('p');
    await says(sign(anna), 'Paused at');
    await run.progress(750, 1000, { unit: 'frames' });
    await says(row(ben, run.id), '75 %');
    await says(row(anna, run.id), '50 %');
    await anna.keyboard.press('p');
    await says(sign(anna), 'Live');
    await says(row(anna, run.id), '75 %');
  });

  await step('a filter narrows the list, and its address shows another person the same', async () => {
    broken = await films.failed('texture_missing', 'the sky is missing', { labels: { team: 'blue' } });
    await films.failed('disk_full', 'no room', { labels: { team: 'red' } });
    await anna.locator('#filter').fill('state:failed kind:film.* label.team:blue');
    await anna.keyboard.press('Enter');
    await until('one row', async () => (await ids(anna)).join() === broken);
    const address = anna.url();
    assert(address.includes('q=state%3Afailed'), address);
    await ben.goto(address);
    await until('the same row', async () => (await ids(ben)).join() === broken);
    assert.equal(await ben.locator('#filter').inputValue(), 'state:failed kind:film.* label.team:blue');
    await anna.goBack();
    await seen(row(anna, run.id));
  });

  await step('a job leaves and enters a filtered list as it changes', async () => {
    const other = await films.begin({ labels: { team: 'blue' } });
    await other.end({ outcome: 'failed', code: 'late', message: 'too late', retry: false });
    await until('two rows', async () => (await ids(ben)).length === 2);
  });

  await step('a filter that is not understood says so, and shows no job', async () => {
    for (const wrong of ['state:nonsense', 'stat:failed two words']) {
      await go(anna, `#/jobs?q=${encodeURIComponent(wrong)}`);
      await seen(anna.locator('#filter-note.error'));
      await until('no row', async () => (await ids(anna)).length === 0);
    }
    await go(anna, '#/jobs?q=kind:none.such');
    await says(anna.locator('.nothing'), 'No job matches');
  });

  await step('an id alone opens that job', async () => {
    await go(anna, '#/jobs');
    await anna.locator('#filter').fill(broken);
    await anna.keyboard.press('Enter');
    await says(anna.locator('header.job h1'), broken);
    await go(anna, '#/jobs');
  });

  await step('a cancel asks first, and then reaches the worker', async () => {
    await row(anna, run.id).hover();
    const cancel = row(anna, run.id).getByRole('button', { name: /^Cancel/ });
    await cancel.click();
    await anna.getByRole('button', { name: 'Keep running' }).click();
    assert.equal((await job(run.id)).cancelRequested, false);
    await cancel.click();
    await confirmed(anna);
    assert.equal(await run.stopped(), 'cancel');
    await says(row(anna, run.id), 'cancelling');
    await run.end({ outcome: 'released' });
    await says(row(anna, run.id), 'cancelled');
  });

  await step('a retry from the row is seen by both', async () => {
    await go(ben, '#/jobs');
    await row(anna, run.id).getByRole('button', { name: /^Retry/ }).click();
    await says(row(ben, run.id), /retry|pending/);
    run = await films.claim();
    for (const page of [anna, ben]) await says(row(page, run.id), 'running');
  });

  await step('an action on a job that changed meanwhile is refused, says so, and shows the job as it is', async () => {
    await anna.keyboard.press('p');
    await says(sign(anna), 'Paused at');
    await run.end();
    await says(row(ben, run.id), 'completed');
    await says(row(anna, run.id), 'running');
    await row(anna, run.id).getByRole('button', { name: /^Cancel/ }).click();
    await confirmed(anna);
    await says(toasts(anna), 'changed meanwhile');
    await says(row(anna, run.id), 'completed');
    await anna.keyboard.press('p');
  });

  await step('several are selected, cancelled and tried again', async () => {
    const held = await Promise.all([1, 2, 3].map(() => submit({ held: true, labels: { set: 'three' } })));
    await go(anna, '#/jobs?q=label.set:three');
    await until('three rows', async () => (await ids(anna)).length === 3);
    await anna.getByRole('checkbox', { name: 'Select all on this page' }).check();
    await says(anna.locator('.selection'), '3 jobs selected');
    await anna.locator('.selection').getByRole('button', { name: 'Cancel' }).click();
    await confirmed(anna);
    for (const id of held) await says(row(anna, id), 'cancelled');
    await anna.locator('.selection').getByRole('button', { name: 'Retry' }).click();
    for (const id of held) await until('tried again', async () => (await job(id)).state === 'pending');
  });

  await step('pages are turned, and new jobs wait until they are wanted', async () => {
    await api('POST', 'jobs', Array.from({ length: 60 }, () => ({ held: true, kind: 'mail.send', args: {} })));
    await go(anna, '#/jobs?q=kind:mail.send');
    // Of these: a list of all has as many rows.
    await until('they are shown', async () => (await anna.locator('.total').innerText()).startsWith('60 jobs'));
    await until('a whole page', async () => (await ids(anna)).length === 50);
    const first = await ids(anna);
    await anna.getByRole('button', { name: 'Next' }).click();
    await until('the rest', async () => (await ids(anna)).length === 10);
    assert((await ids(anna)).every((id) => !first.includes(id)));
    await anna.getByRole('button', { name: 'Previous' }).click();
    await until('the first page', async () => (await ids(anna)).join() === first.join());
    await row(anna, first[40]).scrollIntoViewIfNeeded();
    const late = await submit({ held: true, kind: 'mail.send' });
    await says(anna.locator('.pill'), '1 new job');
    assert.deepEqual(await ids(anna), first);
    await anna.locator('.pill').click();
    await until('it is the first row', async () => (await ids(anna))[0] === late);
  });
});

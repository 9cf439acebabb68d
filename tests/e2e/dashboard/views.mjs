// Failures and queues, and the whole page by keyboard alone.
import assert from 'node:assert/strict';
import { api, badge, go, job, person, press, says, seen, sign, step, submit, test, until, worker } from './harness.mjs';

const focused = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText);

// To the element of this name, by the Tab key.
async function tabTo(page, name) {
  for (let tries = 0; tries < 60; tries += 1) {
    if ((await focused(page)).includes(name)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the Tab key does not reach ${name}`);
}

await test(async () => {
  const one = await person();
  const films = await worker();
  let queue;

  await step('failures are grouped by code and kind, and grow', async () => {
    await go(one, '#/failures');
    await says(one.locator('main'), 'Nothing has failed');
    for (const message of ['the sky is missing', 'the sea is missing']) await films.failed('texture_missing', message);
    const newest = await films.failed('disk_full', 'no room');
    const lines = one.locator('table.failures tbody tr');
    await until('two groups', async () => (await lines.count()) === 2 && (await lines.nth(0).innerText()).includes('2'));
    await says(lines.nth(0), /texture_missing.*film\.render/s);
    await says(lines.nth(1), newest.slice(-8));
    await lines.nth(0).getByRole('link', { name: 'texture_missing' }).click();
    await until('the jobs that failed so', async () => (await one.locator('tbody tr').count()) === 2);
    assert.match(one.url(), /error%3Atexture_missing/);
    await go(one, '#/failures');
    await lines.nth(0).getByRole('link', { name: 'film.render' }).click();
    await until('the failed jobs', async () => (await one.locator('tbody tr').count()) === 3);
    assert.match(one.url(), /state%3Afailed/);
  });

  await step('a queue is paused: nothing of it starts until it is resumed', async () => {
    await go(one, '#/queues');
    queue = one.locator('table.queues tbody tr', { hasText: 'films' });
    await queue.getByRole('button', { name: 'Pause films' }).click();
    await says(queue, 'paused since');
    const id = await submit();
    assert.deepEqual((await api('POST', `${films.path}/claim`, { jobs: 1 })).jobs, []);
    assert.equal((await job(id)).state, 'pending');
    await queue.getByRole('button', { name: 'Resume films' }).click();
    await says(queue, 'open');
    assert.equal((await films.claim()).id, id);
  });

  await step('by keyboard: the skip link, the views, the help', async () => {
    await go(one, '#/jobs');
    await one.reload();
    await says(sign(one), 'Live');
    await one.keyboard.press('Tab');
    assert.equal(await focused(one), 'Skip to content');
    await one.keyboard.press('Enter');
    for (const [key, address] of [['f', '#/failures'], ['q', '#/queues'], ['j', '#/jobs']]) {
      await press(one, 'g', key);
      await until(address, () => one.url().endsWith(address));
    }
    await one.keyboard.press('?');
    await says(one.getByRole('dialog'), 'Next and previous row');
    await one.keyboard.press('Escape');
    await until('the help is closed', async () => (await one.getByRole('dialog').count()) === 0);
  });

  await step('by keyboard: filter, choose, open, cancel, try again, follow, back', async () => {
    const wanted = await films.begin({ labels: { by: 'keyboard' } });
    await one.keyboard.press('/');
    await one.keyboard.type('label.by:keyboard');
    await one.keyboard.press('Enter');
    await until('one row', async () => (await one.locator('tbody tr').count()) === 1);
    await press(one, 'Escape', 'j', 'x');
    await says(one.locator('.selection'), '1 job selected');
    await press(one, 'x', 'Enter');
    await says(one.locator('header.job h1'), wanted.id);
    for (const [key, part] of [['2', '/items'], ['3', '/log'], ['4', '/files'], ['1', wanted.id]]) {
      await one.keyboard.press(key);
      await until(part, () => one.url().endsWith(part));
    }
    // What can be done is known once the job was read.
    await seen(one.getByRole('button', { name: 'Cancel', exact: true }));
    await one.keyboard.press('c');
    await seen(one.getByRole('dialog'));
    await tabTo(one, 'Cancel');
    await one.keyboard.press('Enter');
    assert.equal(await wanted.stopped(), 'cancel');
    await wanted.end({ outcome: 'released' });
    await says(badge(one), 'cancelled');
    await one.keyboard.press('r');
    const again = await films.claim();
    assert.equal(again.id, wanted.id);
    await says(badge(one), 'running');
    await one.keyboard.press('3');
    await again.say('on the way');
    await says(one.locator('.log'), 'on the way');
    const follow = one.getByRole('button', { name: 'Follow' });
    await one.keyboard.press('f');
    await until('not followed', async () => (await follow.getAttribute('aria-pressed')) === 'false');
    await one.keyboard.press('f');
    await until('followed', async () => (await follow.getAttribute('aria-pressed')) === 'true');
    await again.end();
    await says(badge(one), 'completed');
  });

  await step('by keyboard: edit and retry', async () => {
    await one.keyboard.press('e');
    await until('the arguments have the focus', () => one.evaluate(() => document.activeElement.id === 'args'));
    await press(one, 'Control+a');
    await one.keyboard.type('{"title":"typed"}');
    await tabTo(one, 'Submit a new job');
    await one.keyboard.press('Enter');
    assert.deepEqual((await films.claim()).args, { title: 'typed' });
  });

  await step('by keyboard: pause a queue', async () => {
    await press(one, 'g', 'q');
    await seen(one.locator('table.queues'));
    await tabTo(one, 'Pause films');
    await one.keyboard.press('Enter');
    await says(one.locator('table.queues tbody tr', { hasText: 'films' }), 'paused since');
  });
});

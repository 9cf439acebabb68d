// One job: its story, items, log, files, and what can be done with it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { api, badge, go, gone, job, page, person, says, step, submit, test, until, worker } from './harness.mjs';

const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==', 'base64');
const ITEMS = 100_000;
// Items of a report.
const BATCH = 5_000;
const rows = (page) => page.locator('.grid-box .grid-row');
const marked = (page) => page.locator('.log-row.current .number');

await test(async () => {
  const one = await person();
  const films = await worker();
  let id;

  await step('the story: attempts, why each ended, and what was waited for', async () => {
    const run = await films.begin({ kind: 'mail.send', args: { to: 'eve' } });
    id = run.id;
    await go(one, `#/jobs/${id}`);
    await says(one.locator('.timeline'), 'Runs now');
    await run.end({ outcome: 'failed', code: 'greylisted', message: 'come back later', retryAfter: 3600 });
    await says(one.locator('.timeline'), /Run 1 failed.*greylisted come back later.*Waits for the next try/s);
    // It need not wait for that hour.
    await one.getByRole('button', { name: 'Start now' }).click();
    const second = await films.claim();
    assert.equal(second.id, id);
    await gone(one.getByRole('button', { name: 'Start now' }));
    await second.end({ outcome: 'failed', code: 'greylisted', message: 'not yet', retryAfter: 3600 });
    await says(one.locator('.timeline'), /Run 2 failed.*greylisted not yet.*Waits for the next try/s);
    await api('POST', `jobs/${id}/cancel`);
    await says(badge(one), 'cancelled');
    await one.getByRole('button', { name: 'Retry', exact: true }).click();
    const again = await films.claim();
    await says(badge(one), 'running');
    await again.end({ outcome: 'completed', result: { accepted: ['eve'] } });
    await says(one.locator('.timeline'), /Run 1 failed.*Waited before the next try.*Completed/s);
  });

  await step('its arguments and its result', async () => {
    await says(one.locator('section', { has: one.getByRole('heading', { name: 'Arguments' }) }), '"eve"');
    await says(one.locator('section', { has: one.getByRole('heading', { name: 'Result' }) }), /accepted.*"eve"/s);
  });

  await step('a hundred thousand items, of which only what is seen exists', async () => {
    const run = await films.begin();
    ({ id } = run);
    const item = (n) => ({ name: `frame-${n}`, ...(n % 1000 === 7 ? { state: 'failed', error: { code: 'torn', message: `frame ${n} is torn` } } : { state: 'completed', result: { n } }) });
    for (let from = 0; from < ITEMS; from += BATCH) await run.report({ items: Array.from({ length: BATCH }, (_, n) => item(from + n)) });
    await run.end();
    await go(one, `#/jobs/${id}/items`);
    await says(one.locator('.head .tabs').first(), /All 100,000\s+Failed 100/);
    await says(rows(one).first(), 'frame-0');
    assert((await rows(one).count()) < 100);
    await one.locator('.grid-box').evaluate((box) => { box.scrollTop = box.scrollHeight; });
    await says(one.locator('.grid-box'), 'frame-99999');
    assert((await rows(one).count()) < 100);
  });

  await step('the failed ones alone, and what one says in full', async () => {
    await one.getByRole('link', { name: 'Failed 100' }).click();
    await says(rows(one).first(), 'frame-7');
    assert(one.url().endsWith('state=failed'), one.url());
    await rows(one).nth(1).click();
    await says(one.locator('.detail'), 'frame 1007 is torn');
  });

  await step('a retry of the failed items keeps the rest', async () => {
    await one.getByRole('button', { name: 'Retry 100 failed' }).click();
    const run = await films.claim();
    assert.equal(run.id, id);
    await says(badge(one), 'running');
    await until('none is failed', async () => (await job(id)).items.failed === 0);
    assert.equal((await job(id)).items.completed, ITEMS - 100);
    await says(one.locator('.part'), 'No item has failed');
    await run.report({ items: Array.from({ length: 100 }, (_, n) => ({ name: `frame-${n * 1000 + 7}`, state: 'completed', attempts: 2 })) });
    await run.end();
    await says(one.locator('header.job .facts'), '100,000 of 100,000 done');
  });

  let run;
  await step('a log is followed, and left alone where somebody reads', async () => {
    run = await films.begin();
    ({ id } = run);
    const lines = Array.from({ length: 600 }, (_, n) => ({ level: n % 100 === 50 ? 'error' : 'info', text: `line ${n + 1} of the log` }));
    await run.report({ log: lines });
    await go(one, `#/jobs/${id}/log`);
    await says(one.locator('.log'), 'line 600 of the log');
    await run.say('line 601 of the log');
    await says(one.locator('.log'), 'line 601 of the log');
    await one.locator('.log').hover();
    await one.mouse.wheel(0, -3000);
    const follow = one.getByRole('button', { name: 'Follow' });
    await until('not followed', async () => (await follow.getAttribute('aria-pressed')) === 'false');
    const [top, height] = await one.locator('.log').evaluate((log) => [log.scrollTop, log.scrollHeight]);
    await run.say('line 602 of the log');
    await until('it is longer', () => one.locator('.log').evaluate((log, before) => log.scrollHeight > before, height));
    assert.equal(await one.locator('.log').evaluate((log) => log.scrollTop), top);
    await follow.click();
    await says(one.locator('.log'), 'line 602 of the log');
  });

  await step('a log is searched, and sifted by level', async () => {
    await one.locator('#log-search').fill('line 42');
    await says(one.locator('.head .quiet[role=status]'), '11 lines of 602');
    await one.locator('#log-search').fill('');
    await one.locator('#log-level').selectOption('error');
    await says(one.locator('.head .quiet[role=status]'), '6 lines of 602');
    await one.locator('#log-level').selectOption('debug');
  });

  await step('a line has an address, which another person opens', async () => {
    await one.locator('.log').evaluate((log) => { log.scrollTop = 24 * 300; });
    await one.getByRole('link', { name: 'Line 305' }).click();
    await says(marked(one), '305');
    assert(one.url().endsWith(`/jobs/${id}/log?line=305`), one.url());
    const other = await person();
    await other.goto(one.url());
    await says(marked(other), '305');
    assert.equal(await other.getByRole('button', { name: 'Follow' }).getAttribute('aria-pressed'), 'false');
    await other.context().close();
  });

  await step('a log is saved whole', async () => {
    const download = one.waitForEvent('download');
    await one.getByRole('button', { name: 'Download' }).click();
    const saved = await readFile(await (await download).path(), 'utf8');
    assert.equal(saved.trim().split('\n').length, 602);
  });

  await step('files: pictures, JSON and text are shown; HTML and SVG are only saved', async () => {
    await run.put('poster.png', 'image/png', PIXEL);
    await run.put('report.json', 'application/json', '{"cuts":[1,2,{"at":3}]}');
    await run.put('notes.txt', 'text/plain', 'A note.\nAnother <b>note</b>.\n');
    await run.put('page.html', 'text/html', '<script>alert(1)</script>');
    await run.put('logo.svg', 'image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>');
    await run.end();
    await go(one, `#/jobs/${id}/files`);
    const dialog = one.getByRole('dialog');
    const preview = async (name, look) => {
      await one.getByRole('button', { name: `Preview ${name}` }).click();
      await look();
      await one.keyboard.press('Escape');
      await gone(dialog);
    };
    await preview('poster.png', () => until('a picture', () => dialog.locator('img').evaluate((picture) => picture.naturalWidth === 1)));
    await preview('report.json', () => says(dialog.locator('.tree'), 'cuts'));
    await preview('notes.txt', () => says(dialog, 'Another <b>note</b>.'));
    for (const name of ['page.html', 'logo.svg']) {
      assert.equal(await one.getByRole('button', { name: `Preview ${name}` }).count(), 0);
      const download = one.waitForEvent('download');
      await one.getByRole('button', { name: `Download ${name}` }).click();
      assert.equal((await download).suggestedFilename(), name);
    }
    assert.equal(one.context().pages().length, 1);
  });

  await step('it is cancelled, and tried again', async () => {
    run = await films.begin({ labels: { team: 'blue' }, priority: 3 });
    ({ id } = run);
    await go(one, `#/jobs/${id}`);
    await one.locator('header.job').getByRole('button', { name: 'Cancel' }).click();
    await one.getByRole('dialog').getByRole('button', { name: 'Cancel', exact: true }).click();
    await says(badge(one), 'cancelling');
    assert.equal(await run.stopped(), 'cancel');
    await run.end({ outcome: 'released' });
    await says(badge(one), 'cancelled');
    await one.getByRole('button', { name: 'Retry', exact: true }).click();
    run = await films.claim();
    await says(badge(one), 'running');
    await run.end({ outcome: 'failed', code: 'torn', message: 'torn', retry: false });
    await says(one.locator('header.job .says'), 'torn');
  });

  await step('edit and retry: what is no JSON is said, a new job has the rest of the old one', async () => {
    await one.getByRole('button', { name: 'Edit and retry' }).click();
    await one.locator('#args').fill('{oops');
    await one.getByRole('button', { name: 'Submit a new job' }).click();
    await says(one.locator('#args-note'), 'not JSON');
    await one.locator('#args').fill('{"title":"edited"}');
    await one.getByRole('button', { name: 'Submit a new job' }).click();
    await until('the new job is open', () => !one.url().includes(id));
    const made = await job(decodeURIComponent(one.url().split('/').at(-1)));
    assert.deepEqual([made.args, made.labels, made.priority], [{ title: 'edited' }, { team: 'blue' }, 3]);
    await (await films.claim()).end();
    await says(badge(one), 'completed');
  });

  await step('a held job is started, a missing one says so', async () => {
    id = await submit({ held: true });
    await go(one, `#/jobs/${id}`);
    await one.getByRole('button', { name: 'Start now' }).click();
    await (await films.claim()).end();
    await says(badge(one), 'completed');
    await go(one, '#/jobs/no-such-job');
    await says(one.locator('.nothing'), 'There is no such job');
  });
});

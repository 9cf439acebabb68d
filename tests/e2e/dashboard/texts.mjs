// Texts from jobs that would be markup, hide or turn around what stands beside them: all stay text, in every view.
import assert from 'node:assert/strict';
import { go, gone, person, says, seen, step, test, worker } from './harness.mjs';

const MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>';
const DECEIT = '\u202egnp.exe\u202c \u0007\u001b[31mred \u200b';
const TEXT = `${MARKUP} ${DECEIT}`;
// What may be seen of it: the markup as it is, the rest as codes.
const SHOWN = `${MARKUP} \\u{202e}gnp.exe\\u{202c} \\u{7}\\u{1b}[31mred \\u{200b}`;
// eslint-disable-next-line no-control-regex
const BARE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

await test(async () => {
  const one = await person();
  const films = await worker();
  const id = 'hostile';
  let run;

  const holds = async (part) => {
    await says(part, SHOWN);
    const all = await one.evaluate(() => document.documentElement.innerText + [...document.querySelectorAll('*')].flatMap((node) => [...node.attributes].map((one) => one.value)).join(' '));
    assert(!BARE.test(all), JSON.stringify(BARE.exec(all)));
    assert.equal(await one.locator('img, iframe, object, embed, main script').count(), 0);
  };

  await step('a task and labels, in the list', async () => {
    run = await films.begin({ id, args: { [TEXT]: TEXT }, labels: { team: TEXT } });
    await run.progress(1, 2, { unit: '<b>', currentTask: TEXT, metadata: { [TEXT]: TEXT } });
    await holds(one.locator('tbody .says'));
    await says(one.locator('tbody .labels'), `team=${SHOWN.slice(0, 60)}`);
  });

  await step('arguments, metadata and labels, on the job', async () => {
    await go(one, `#/jobs/${id}`);
    await holds(one.locator('header.job .says'));
    await holds(one.locator('header.job .facts'));
    for (const title of ['Arguments', 'Metadata']) await holds(one.locator('section', { has: one.getByRole('heading', { name: title }) }));
  });

  await step('names, errors and results of items', async () => {
    await run.report({ progress: { current: 2 }, items: [{ name: TEXT, state: 'failed', error: { code: 'torn', message: TEXT } }, { name: 'good', state: 'completed', result: TEXT }] });
    await go(one, `#/jobs/${id}/items`);
    await holds(one.locator('.grid-box'));
    await one.locator('.grid-box .grid-row').first().click();
    await holds(one.locator('.detail'));
  });

  await step('lines of a log, one of them very long', async () => {
    await run.say(TEXT);
    await run.say(`long ${'x'.repeat(60_000)} end`);
    await go(one, `#/jobs/${id}/log`);
    await holds(one.locator('.log'));
    const whole = one.getByRole('button', { name: /show all [\d,]+ characters/ });
    await seen(whole);
    assert.equal(await one.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
    await whole.click();
    await seen(one.getByRole('dialog'));
    await one.keyboard.press('Escape');
    await one.locator('#log-search').fill(MARKUP.slice(0, 12));
    await holds(one.locator('.log'));
  });

  await step('a name and a text of a file', async () => {
    const name = '<b>bold<b>.txt';
    await run.put(encodeURIComponent(name), 'text/plain', TEXT);
    await go(one, `#/jobs/${id}/files`);
    await one.getByRole('button', { name: `Preview ${name}` }).click();
    await holds(one.getByRole('dialog'));
    await one.keyboard.press('Escape');
    await gone(one.getByRole('dialog'));
  });

  await step('a result', async () => {
    await run.end({ outcome: 'completed', result: { [TEXT]: TEXT } });
    await go(one, `#/jobs/${id}`);
    await holds(one.locator('section', { has: one.getByRole('heading', { name: 'Result' }) }));
  });

  await step('an error, on the job, in the list and among the failures', async () => {
    const failed = await films.failed('torn', TEXT);
    await go(one, `#/jobs/${failed}`);
    await holds(one.locator('header.job .says'));
    await holds(one.locator('.timeline'));
    await go(one, '#/jobs?q=state:failed');
    await holds(one.locator('tbody'));
    await go(one, '#/failures');
    await holds(one.locator('tbody'));
  });

  await step('a filter and an address', async () => {
    await go(one, `#/jobs?q=${encodeURIComponent(TEXT)}`);
    // Its words are looked for, and found where they stand.
    await holds(one.locator('tbody'));
    await go(one, `#/jobs/${encodeURIComponent(TEXT)}`);
    await says(one.locator('.nothing'), /no such job|can not be shown/);
    assert.equal(await one.locator('img, main script').count(), 0);
  });
});

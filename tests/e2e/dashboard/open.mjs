// How the page is opened, shared between tabs, and what becomes of it when its session ends.
import assert from 'node:assert/strict';
import { api, go, gone, link, newLink, page, profile, row, says, seen, sign, step, submit, test, until, url, worker } from './harness.mjs';

await test(async () => {
  const context = await profile();
  const one = await page(context);
  let id;

  await step('the link opens the page, on the start page of an empty installation', async () => {
    await one.goto(link);
    await says(sign(one), 'Live');
    await says(one.locator('.start'), 'longhaul run --');
    assert(!one.url().includes('link='), one.url());
    assert.deepEqual(await context.cookies(), []);
  });

  await step('the first job appears on it by itself', async () => {
    await worker();
    id = await submit();
    await seen(row(one, id));
    await gone(one.locator('.start'));
  });

  await step('the link is refused the second time, and the page says what to do', async () => {
    const stranger = await page(await profile());
    await stranger.goto(link);
    await says(stranger.locator('.welcome'), /used already.*longhaul dashboard/s);
    assert.equal(await stranger.locator('tbody tr').count(), 0);
    assert(!stranger.url().includes('link='), stranger.url());
  });

  await step('a token opens it too, and a wrong one does not', async () => {
    const other = await page(await profile());
    await other.goto(url);
    await other.locator('#token').fill('wrong');
    await other.getByRole('button', { name: 'Open' }).click();
    await says(other.locator('.note.error'), 'opens nothing here');
    await other.goto(await newLink());
    await seen(row(other, id));
    await other.context().close();
  });

  await step('another tab has the same session', async () => {
    const tab = await page(context);
    await tab.goto(`${url}/#/jobs/${id}`);
    await says(tab.locator('header.job h1'), id);
    await tab.close();
  });

  await step('a session that is ended under the page leaves what is shown, marked as stale', async () => {
    const session = await one.evaluate(() => sessionStorage.getItem('longhaul.token'));
    const ended = await fetch(`${url}/api/v1/dashboard/sessions`, { method: 'DELETE', headers: { Authorization: `Bearer ${session}` } });
    assert.equal(ended.status, 204);
    await says(one.locator('#bar'), /session has ended.*longhaul dashboard/s);
    await says(sign(one), 'Stale since');
    await seen(row(one, id));
  });

  await step('a new link in another tab wakes it, and it shows what it missed', async () => {
    await api('POST', `jobs/${id}/cancel`);
    await says(row(one, id), 'pending');
    const tab = await page(context);
    await tab.goto(await newLink());
    await says(sign(one), 'Live');
    await gone(one.locator('#bar .ended'));
    await says(row(one, id), 'cancelled');
  });

  await step('after signing out nothing is shown, in any tab', async () => {
    await go(one, '#/jobs');
    await one.getByRole('button', { name: 'Sign out' }).click();
    await seen(one.locator('.welcome'));
    await until('its token is forgotten', () => one.evaluate(() => sessionStorage.getItem('longhaul.token') === null));
  });
});

// Every view, looked at by axe in one theme at 320 and 1280 px. The last argument is the theme.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { api, go, gone, page, person, press, profile, says, seen, sign, step, submit, test, url, worker } from './harness.mjs';

const theme = process.argv[5];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const options = { colorScheme: theme, reducedMotion: 'reduce' };

const problems = [];

// Looks at what is shown now, narrow and wide. All that is wrong anywhere is said at the end.
async function look(one, name) {
  try {
    await step(name, () => looked(one, name));
  } catch (problem) {
    problems.push(problem.message);
  }
}

async function looked(one, name) {
  for (const width of [320, 1280]) {
    await one.setViewportSize({ width, height: 800 });
    const found = await one.evaluate(async (rules) => {
      const { violations, passes } = await window.axe.run(document, { runOnly: rules, resultTypes: ['violations'] });
      return { passes: passes.length, violations: violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join('\n')}`) };
    }, RULES);
    assert.deepEqual(found.violations, [], `${name} at ${width} px, ${theme}`);
    assert(found.passes > 10, 'axe has looked');
    const overflows = await one.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert(!overflows, `${name} is wider than ${width} px`);
  }
}

async function stage(films) {
  await films.failed('texture_missing', 'the sky is missing', { labels: { team: 'blue' } });
  await submit({ held: true });
  const done = await films.begin({ args: { title: 'Harbour', cuts: [1, { at: 2 }] } });
  const items = Array.from({ length: 60 }, (_, n) => ({ name: `frame-${n}`, ...(n % 9 === 4 ? { state: 'failed', error: { code: 'torn', message: 'torn' } } : { state: 'completed', result: n }) }));
  const log = ['debug', 'info', 'warn', 'error'].flatMap((level) => Array.from({ length: 20 }, (_, n) => ({ level, text: `line ${n} of a log` })));
  await done.report({ items, log, progress: { current: 60, total: 60, unit: 'frames', metadata: { codec: 'av1' } } });
  await done.put('report.json', 'application/json', '{"cuts":[1,2]}');
  await done.put('page.html', 'text/html', '<p>');
  await done.end({ outcome: 'completed', result: { title: 'Harbour' } });
  const running = await films.begin();
  await running.progress(4, 10, { unit: 'frames', currentTask: 'Rendering' });
  return { done: done.id, running: running.id };
}

await test(async () => {
  const stranger = await page(await profile(options));
  await stranger.addInitScript(axe);
  await stranger.goto(url);
  await seen(stranger.locator('.welcome'));
  await look(stranger, 'who is no one yet');
  await stranger.context().close();

  const one = await person(options);
  await one.addInitScript(axe);
  await one.reload();
  await seen(one.locator('.start'));
  await look(one, 'an empty installation');
  await go(one, '#/failures');
  await says(one.locator('main'), 'Nothing has failed');
  await look(one, 'no failures');

  const { done, running } = await stage(await worker());
  await api('PUT', 'schedules/nightly', { cron: '0 3 * * *', zone: 'Europe/Berlin', kind: 'film.render', args: {} });
  const views = [
    ['#/jobs', 'tbody tr', 'jobs'],
    ['#/jobs?q=state:bad', '#filter-note.error', 'a filter that is not understood'],
    [`#/jobs/${done}`, '.timeline', 'a job'],
    [`#/jobs/${running}`, '.timeline', 'a job that runs'],
    [`#/jobs/${done}/items`, '.grid-row', 'items'],
    [`#/jobs/${done}/log?line=4`, '.log-row.current', 'a log'],
    [`#/jobs/${done}/files`, 'table.files tbody tr', 'files'],
    ['#/jobs/none', '.nothing', 'no such job'],
    ['#/failures', 'tbody tr', 'failures'],
    ['#/queues', 'tbody tr', 'queues'],
    ['#/workers', 'tbody tr', 'workers'],
    ['#/schedules', 'tbody tr', 'schedules'],
    ['#/charts', 'svg', 'charts'],
  ];
  for (const [address, shows, name] of views) {
    await go(one, address);
    await seen(one.locator(`main ${shows}`).first());
    await look(one, name);
  }

  const dialogs = [['#/jobs', '?', 'the keys'], [`#/jobs/${done}`, 'e', 'edit and retry'], [`#/jobs/${running}`, 'c', 'a cancel']];
  for (const [address, key, name] of dialogs) {
    await go(one, address);
    await seen(one.locator(address === '#/jobs' ? 'tbody tr' : '.timeline').first());
    await one.keyboard.press(key);
    await seen(one.getByRole('dialog'));
    await look(one, name);
    await one.keyboard.press('Escape');
    await gone(one.getByRole('dialog'));
  }
  await go(one, '#/jobs');
  await one.getByRole('button', { name: 'Cancel all…' }).click();
  await says(one.getByRole('dialog'), 'can be changed now');
  await look(one, 'a cancel of all');
  await one.keyboard.press('Escape');
  await gone(one.getByRole('dialog'));
  await go(one, `#/jobs/${done}/items`);
  await says(one.locator('.grid-box .grid-row').first(), 'frame-0');
  await one.locator('.grid-box .grid-row').first().click();
  await seen(one.locator('.detail'));
  await look(one, 'an item in full');
  await go(one, '#/jobs');
  await seen(one.locator('tbody tr').first());
  await press(one, 'j', 'x');
  await look(one, 'a job that is selected');
  await one.keyboard.press('p');
  await says(sign(one), 'Paused');
  await look(one, 'a page that is paused');
  await one.keyboard.press('p');
  await says(sign(one), 'Live');
  const session = await one.evaluate(() => sessionStorage.getItem('longhaul.token'));
  await fetch(`${url}/api/v1/dashboard/sessions`, { method: 'DELETE', headers: { Authorization: `Bearer ${session}` } });
  await seen(one.locator('#bar .ended'));
  await look(one, 'a session that has ended');
  assert.equal(problems.length, 0, problems.join('\n\n'));
});

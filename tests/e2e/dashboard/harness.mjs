// What the dashboard's tests share: a browser, the server's API, a worker that does as a test says, and waiting for
// conditions. A program is given the server's address, the file of its token, and a link to the dashboard, as
//   node NAME.mjs URL TOKEN_FILE LINK
// and says a JSON line for each step that held. Exit code 1, and why, at the first that did not.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const [url, tokenFile, link] = process.argv.slice(2);
export const { log } = console;
const token = readFileSync(tokenFile, 'utf8').trim();
// How long something that must happen may take on a busy machine.
const PATIENCE = 40_000;
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

let browser = null;
let failed = null;
const pages = [];

// --- the server, as any program sees it

export async function api(method, path, body) {
  const headers = { Authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) };
  const response = await fetch(`${url}/api/v1/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export const job = (id) => api('GET', `jobs/${id}`);

export async function newLink() {
  return (await api('POST', 'dashboard/links')).url;
}

// Submits a job of the worker's kind; its id.
export async function submit(members = {}) {
  return (await api('POST', 'jobs', { kind: 'film.render', args: { title: 'Harbour' }, ...members })).jobId;
}

// A worker over HTTP. Its lease is longer than any test, so that it needs no heartbeat.
export async function worker(slots = 10) {
  const kinds = [{ name: 'film.render', queue: 'films', maxAttempts: 1 }, { name: 'mail.send', queue: 'mail' }];
  const joined = await api('POST', 'workers', { name: 'browser-test', kinds, queues: { films: slots, mail: slots }, leaseSeconds: 3600 });
  return new Worker(`workers/${joined.workerId}`);
}

class Worker {
  constructor(path) {
    this.path = path;
  }

  // Waits for a job, and holds it.
  async claim() {
    const { jobs } = await api('POST', `${this.path}/claim`, { jobs: 1, wait: 15 });
    assert.equal(jobs.length, 1, 'a job to claim');
    return new Run(this.path, jobs[0]);
  }

  // Submits a job and holds it.
  async begin(members) {
    const id = await submit(members);
    const run = await this.claim();
    assert.equal(run.id, id);
    return run;
  }

  // A job that failed so.
  async failed(code, message, members) {
    const run = await this.begin(members);
    await run.end({ outcome: 'failed', code, message, retry: false });
    return run.id;
  }
}

class Run {
  constructor(worker, { claim, jobId, args }) {
    Object.assign(this, { worker, claim, id: jobId, args });
  }

  report(body) {
    return api('POST', `${this.worker}/jobs/${this.claim}/report`, body);
  }

  progress(current, total, more = {}) {
    return this.report({ progress: { current, total, ...more } });
  }

  say(text, level = 'info') {
    return this.report({ log: [{ level, text }] });
  }

  end(end = { outcome: 'completed', result: {} }) {
    return this.report({ end });
  }

  // Waits until it is told to stop.
  async stopped() {
    for (;;) {
      const { stop } = await api('POST', `${this.worker}/heartbeat`, { claims: [this.claim], wait: 15 });
      const order = stop.find(({ claim }) => claim === this.claim);
      if (order) return order.reason;
    }
  }

  async put(name, type, bytes) {
    const headers = { Authorization: `Bearer ${token}`, 'content-type': type };
    const response = await fetch(`${url}/api/v1/${this.worker}/jobs/${this.claim}/artifacts/${name}`, { method: 'PUT', headers, body: bytes });
    assert(response.ok, `${name}: ${response.status} ${await response.text()}`);
  }
}

// --- the browser

// A page in a browser profile of its own.
export async function profile(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  return context;
}

export async function page(context) {
  const made = await context.newPage();
  // What no page may do, whatever a job says.
  made.on('pageerror', (error) => { failed ??= error; });
  made.on('dialog', (dialog) => { failed ??= new Error(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  made.on('console', (message) => { if (/Content Security Policy/.test(message.text())) failed ??= new Error(message.text()); });
  pages.push(made);
  return made;
}

// A browser of a person who has opened the link.
export async function person(options) {
  const opened = await page(await profile(options));
  await opened.goto(await newLink());
  await says(sign(opened), 'Live');
  return opened;
}

export const sign = (page) => page.locator('button.live');
export const go = (page, hash) => page.evaluate((hash) => { location.hash = hash; }, hash);
export const row = (page, id) => page.locator(`tbody tr[data-id="${id}"]`);
export const badge = (page) => page.locator('header.job .badge');
export const press = async (page, ...keys) => { for (const key of keys) await page.keyboard.press(key); };

// --- waiting

// Waits until `condition` answers with something true; that.
export async function until(what, condition) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    assert(Date.now() < end, `not within ${PATIENCE / 1000} s: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

// Waits until what is there reads so.
export async function says(locator, wanted) {
  let seen = '';
  const fits = () => (wanted instanceof RegExp ? wanted.test(seen) : seen.includes(wanted));
  try {
    await until('', async () => {
      seen = (await locator.count()) === 1 ? await locator.innerText() : `${await locator.count()} of them`;
      return fits();
    });
  } catch {
    assert.fail(`${locator} should say ${wanted}, and says:\n${seen}`);
  }
  return seen;
}

export const gone = (locator) => locator.waitFor({ state: 'hidden' });
export const seen = (locator) => locator.waitFor({ state: 'visible' });

// --- the steps of a program

export async function step(name, act) {
  const begun = Date.now();
  const body = await act();
  if (failed) throw failed;
  log(JSON.stringify({ event: 'step', body: { name, ms: Date.now() - begun, ...body } }));
}

export async function test(act) {
  const executablePath = BROWSERS.find(existsSync);
  assert(executablePath, 'there is no Chromium: run script/setup');
  browser = await chromium.launch({ executablePath });
  try {
    await act();
    if (failed) throw failed;
  } catch (error) {
    console.error(error.stack);
    for (const one of pages) if (!one.isClosed()) console.error(`--- ${one.url()}\n${await one.locator('body').innerText().catch(String)}`);
    process.exitCode = 1;
  }
  await browser.close();
}

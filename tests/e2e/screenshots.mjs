// Pictures of the dashboard of a running server, as a person opens it: by a link that works once.
//
// node screenshots.mjs ORIGIN TOKEN_FILE CHROMIUM FOLDER
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [origin, tokenFile, executablePath, folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: screenshots.mjs ORIGIN TOKEN_FILE CHROMIUM FOLDER");
  process.exit(2);
}
const PATIENCE = 60_000;
const headers = { authorization: `Bearer ${readFileSync(tokenFile, "utf8").trim()}` };

async function ask(method, path) {
  const response = await fetch(`${origin}/api/v1/${path}`, { method, headers });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${answer.detail}`);
  return answer;
}

// Waits for the job that shows the most: some of its items are done, and some have failed.
async function job() {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    const { jobs } = await ask("GET", "jobs?kind=film.render&state=running&limit=100");
    const found = jobs.find((job) => job.items.total === 4000 && job.items.failed > 0);
    if (found) return found.jobId;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error("the gallery's long job did not come so far");
}

const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
try {
  mkdirSync(folder, { recursive: true });
  const pictures = [
    ["jobs", `#/jobs?${new URLSearchParams({ q: "kind:film.*,disk.*" })}`, "light", "tr[data-id]"],
    ["job", `#/jobs/${encodeURIComponent(await job())}/items`, "dark", ".grid-row:not(.waiting)"],
  ];
  for (const [name, address, colorScheme, shown] of pictures) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 720 }, colorScheme });
    const page = await context.newPage();
    const { url } = await ask("POST", "dashboard/links");
    await page.goto(url);
    await page.waitForSelector('.live[data-state="live"]', { timeout: PATIENCE });
    await page.evaluate((address) => { location.hash = address; }, address);
    await page.waitForSelector(shown, { timeout: PATIENCE });
    // Long enough for a rate and a time left.
    await page.waitForTimeout(2500);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    await context.close();
  }
} finally {
  await browser.close();
}

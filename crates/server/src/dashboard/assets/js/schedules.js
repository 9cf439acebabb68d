// The schedules: what submits jobs by itself, when next, and what became of it last.

import { advice, get, post } from "./api.js";
import { badge, button, el, outside, put, show, toast } from "./dom.js";
import { ago, at, count, duration } from "./format.js";
import { listAddress, filter } from "./query.js";
import { idLink } from "./row.js";
import { head, Table } from "./table.js";

const MOST = "1000";
// Between two looks at how long it is until the next times.
const EVERY = 30_000;

export const mount = (root) => new Table(root, {
  title: "Schedules",
  name: "schedules",
  heads: [head("Schedule"), head("State"), head("When"), head("Next"), head("Last"), head("Jobs", "figure"), el("td")],
  none: [el("p", { text: "No schedules yet. The command line makes one, and so does the API:" }),
    el("p", {}, el("code", { text: "longhaul schedule set nightly --cron '0 2 * * *' --kind …" }))],
  read: async (signal) => (await get("schedules", { limit: MOST }, signal)).schedules,
  key: ({ name, owner }) => JSON.stringify([owner, name]),
  row,
  // A new job may be one of theirs.
  wakes: ({ event, state, revision }) => event === "state" && state === "pending" && revision <= 1,
  every: EVERY,
});

async function ask(view, { name }, verb, say) {
  try {
    say(await post(`schedules/${encodeURIComponent(name)}/${verb}`));
  } catch (problem) {
    toast(advice(problem), "error");
  }
  view.reread();
}

function turn(view, one) {
  const name = outside(one.name, 60);
  return ask(view, one, one.paused ? "resume" : "pause", (now) => toast(now.paused ? `${name} is paused: it submits nothing until it is resumed.` : `${name} goes on with its next time.`));
}

const run = (view, one) => ask(view, one, "run", ({ jobId }) => toast(`${outside(one.name, 60)}: job ${outside(jobId, 60)} is submitted.`));

function stands({ paused, error, nextTimes }) {
  if (paused) return { tone: "paused", word: "paused" };
  if (error) return { tone: "failed", word: "cannot submit" };
  return nextTimes.length ? { tone: "running", word: "active" } : { tone: "completed", word: "over" };
}

function rhythm({ cron, zone, every }) {
  if (cron) return [cron, zone ?? "UTC"];
  const whole = Number.isInteger(every) && every < 10;
  return [`every ${whole ? `${every} s` : duration(every).replace(/ 0 \S+$/, "")}`, ""];
}

// What became of its times.
function tally({ submitted, missed, skipped }) {
  const said = [missed && `${count(missed)} missed`, skipped && `${count(skipped)} skipped`].filter(Boolean);
  return [count(submitted), said.join(", ")];
}

function parts() {
  const under = (name = "under") => el("span", { class: name });
  return { name: el("span", { class: "name" }), kind: el("a"), error: under("says"), when: el("code"), zone: under(), next: el("time"), nextAgo: under(), later: el("ol", { class: "plain" }), last: el("time"), lastJob: el("span"), submitted: el("a"), tally: under() };
}

function row(view) {
  let shown = null;
  let job = "";
  const state = badge();
  const part = parts();
  const others = el("details", { class: "more" }, el("summary", { text: "then" }), part.later);
  const turner = button("", () => turn(view, shown));
  const runner = button("Run now", () => run(view, shown));
  const cell = (label, ...children) => el("td", { data: { label } }, children);
  const node = el("tr", {}, el("th", { scope: "row" }, part.name, part.kind, part.error), el("td", {}, state.node), cell("When", part.when, part.zone),
    cell("Next", part.next, part.nextAgo, others), el("td", { class: "c-last", data: { label: "Last" } }, part.last, part.lastJob),
    el("td", { class: "figure", data: { label: "Jobs" } }, part.submitted, part.tally), el("td", { class: "c-tools" }, turner, runner));
  const refresh = (one) => {
    shown = one;
    fill(part, one);
    state.refresh(stands(one));
    show(others, one.nextTimes.length > 1);
    if (job !== one.lastJobId) part.lastJob.replaceChildren(one.lastJobId ? idLink(one.lastJobId) : "");
    job = one.lastJobId;
    put(turner, one.paused ? "Resume" : "Pause");
    turner.setAttribute("aria-label", `${one.paused ? "Resume" : "Pause"} ${outside(one.name, 100)}`);
    runner.setAttribute("aria-label", `Run now: ${outside(one.name, 100)}`);
  };
  return { node, refresh };
}

function fill(part, one) {
  put(part.name, outside(one.name, 100));
  put(part.kind, outside(one.schedule.kind, 80));
  part.kind.href = listAddress(filter("kind", one.schedule.kind));
  put(part.error, outside(one.error ?? "", 300));
  part.error.dataset.tone = "failed";
  const [when, zone] = rhythm(one.schedule);
  put(part.when, outside(when, 80));
  put(part.zone, outside(zone, 60));
  const [next, ...later] = one.nextTimes;
  put(part.next, next ? at(next) : "none");
  put(part.nextAgo, next ? ago(next) : "");
  part.later.replaceChildren(...later.map((time) => el("li", { text: at(time) })));
  put(part.last, one.lastTime ? `${at(one.lastTime)}, ${ago(one.lastTime)}` : "not yet");
  const [submitted, said] = tally(one);
  put(part.submitted, submitted);
  part.submitted.href = listAddress(filter("label.schedule", one.name));
  put(part.tally, said);
}

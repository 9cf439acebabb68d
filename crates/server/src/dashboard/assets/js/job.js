// One job: where it stands, and its parts. Invariant: progress and log lines are taken from events as they come; the job
// itself is read again when it changed, at most once a second.

import { advice, get, jobPath, post } from "./api.js";
import * as artifacts from "./artifacts.js";
import { badge, button, dialog, el, framed, outside, put, show, throttled, toast } from "./dom.js";
import { ago, at, count, duration, json, look, plural, progressText, seconds, stands } from "./format.js";
import * as items from "./items.js";
import { canCancel, canRetry, isEnded, meter, pace, takeProgress } from "./jobs.js";
import { live } from "./live.js";
import * as log from "./log.js";
import { filter, listAddress } from "./query.js";
import { timeline } from "./timeline.js";
import { tree } from "./tree.js";

const PARTS = { "": overview, items: items.mount, log: log.mount, files: artifacts.mount };

export function mount(root, id, part, params) {
  const one = { job: null, moved: Date.now() };
  let shown = null;
  let name = null;
  let closed = false;
  const header = heading(id, { cancel, retry, edit, start });
  const missing = el("div", { class: "nothing", hidden: true });
  const home = el("div", { class: "part" });
  const links = Object.fromEntries(Object.keys(PARTS).map((key) => [key, el("a", { href: `#/${jobPath(id, key && `/${key}`)}` }, el("span", { text: key || "overview" }), el("span", { class: "number" }))]));
  const tabs = el("nav", { class: "tabs parts", "aria-label": "Parts of the job" }, Object.values(links));
  root.append(header.node, tabs, missing, home);
  show(header.node, false);
  show(tabs, false);

  const context = {
    id,
    params,
    get job() {
      return one.job;
    },
    retry,
    say: (key, number) => put(links[key].lastChild, count(number)),
  };

  function open() {
    if (!one.job) return;
    if (!(part in PARTS)) part = "";
    for (const [key, link] of Object.entries(links)) {
      if (key === part) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (name === part) return shown.update(context.params);
    shown?.close();
    home.replaceChildren();
    name = part;
    shown = PARTS[part](home, context);
  }

  async function read() {
    try {
      const job = await get(jobPath(id));
      if (closed) return;
      const first = !one.job;
      if (!first && job.revision < one.job.revision) return;
      if (first || job.progress.current !== one.job.progress.current || job.state !== one.job.state) one.moved = Date.now();
      one.job = job;
      show(missing, false);
      show(header.node, true);
      show(tabs, true);
      header.refresh(one);
      if (job.items.total) context.say("items", job.items.total);
      if (first) open();
      else shown.jobChanged();
    } catch (problem) {
      if (closed) return;
      if (one.job && problem.code !== "not_found") return toast(advice(problem), "error");
      if (one.job) return header.gone();
      show(missing, true);
      missing.replaceChildren(el("h1", { text: problem.code === "not_found" ? "There is no such job" : "This job can not be shown" }), el("p", { text: outside(advice(problem), 400) }), el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
    }
  }
  const reread = throttled(read, 1000);
  const draw = framed(() => one.job && header.refresh(one));

  const stop = live.listen({
    again() {
      reread();
      shown?.again?.();
    },
    event(event) {
      if (event.jobId !== id || !one.job) return;
      if (event.event === "progress") {
        takeProgress(one, event);
        draw();
        // The counts of its items come with the job alone.
        if (one.job.items.total) reread();
      } else if (event.event !== "log") reread();
      shown?.event(event);
    },
  });
  const ticker = setInterval(() => !document.hidden && live.state.name !== "ended" && draw(), 5000);

  async function ask(path, done) {
    try {
      await post(jobPath(id, path));
      toast(done);
    } catch (problem) {
      toast(advice(problem), "error");
    }
    reread();
  }

  async function cancel() {
    if (!one.job || !canCancel(one.job)) return;
    const answer = await dialog(`Cancel ${outside(id, 60)}?`, el("p", { text: "What is finished is kept; a retry goes on from there." }), [{ label: "Keep running", value: "", kind: "quiet" }, { label: "Cancel", value: "yes", kind: "danger" }]);
    if (answer === "yes") await ask("/cancel", "The job is being cancelled.");
  }

  async function retry() {
    if (!one.job || !canRetry(one.job)) return;
    const { failed } = one.job.items;
    await ask("/retry", failed ? `The job tries ${plural(failed, "failed item")} again.` : "The job is tried again.");
  }

  async function start() {
    await ask("/start", "The job starts as soon as a slot is free.");
  }

  async function edit() {
    if (!one.job) return;
    const made = await editor(one.job);
    if (made) location.hash = `#/${jobPath(made)}`;
  }

  reread();
  return {
    get title() {
      return outside(id, 60);
    },
    update(next, to) {
      context.params = next;
      part = to;
      open();
    },
    get keys() {
      const go = (key) => () => { location.hash = `#/${jobPath(id, key && `/${key}`)}`; };
      return { c: cancel, r: retry, e: edit, 1: go(""), 2: go("items"), 3: go("log"), 4: go("files"), ...shown?.keys };
    },
    close() {
      closed = true;
      stop();
      clearInterval(ticker);
      reread.close();
      shown?.close();
    },
  };
}

function heading(id, act) {
  const state = badge();
  const bar = meter();
  const kind = el("a", { class: "kind" });
  const gone = el("p", { class: "note error", hidden: true, text: "This job was removed. What you see is the last that was known." });
  const buttons = {
    start: button("Start now", act.start, {}, "running"), cancel: button("Cancel", act.cancel, { "aria-keyshortcuts": "c" }, "failed"),
    retry: button("Retry", act.retry, { "aria-keyshortcuts": "r" }, "retry"), edit: button("Edit and retry", act.edit, { "aria-keyshortcuts": "e" }, "edit"),
  };
  const numbers = el("span");
  const percent = el("span", { class: "percent" });
  const speed = el("span");
  const left = el("span", { class: "left" });
  const task = el("p", { class: "says" });
  const line = el("div", { class: "line" }, numbers, percent, el("span", { class: "grow" }), speed, left);
  const facts = el("dl", { class: "facts" });
  const node = el("header", { class: "job" },
    el("p", { class: "crumbs" }, el("a", { href: "#/jobs", text: "Jobs" }), " / ", kind),
    el("div", { class: "title" }, el("h1", { class: "id", text: outside(id, 200) }), state.node, el("div", { class: "buttons" }, Object.values(buttons))), gone,
    el("div", { class: "progress" }, line, bar.node, task), facts);
  let shown = "";

  function refresh({ job, moved }) {
    state.refresh(look(job));
    bar.refresh(job);
    put(kind, outside(job.kind, 100));
    kind.href = listAddress(filter("kind", job.kind));
    put(numbers, progressText(job.progress));
    const known = job.progress.percentage;
    put(percent, known === null || known === undefined ? "" : `${known} %`);
    const now = pace(job, moved);
    put(speed, now.rate);
    const due = job.state === "running" && !now.stalled && job.progress.timeLeft ? `, at ${at(new Date(Date.now() + job.progress.timeLeft * 1000))}` : "";
    put(left, now.left + due);
    left.classList.toggle("stalled", now.stalled);
    put(task, outside(stands(job), 1000));
    task.dataset.tone = look(job).tone;
    show(line, job.state === "running" || Boolean(job.progress.current));
    show(bar.node, job.state === "running" || Boolean(job.progress.current));
    show(buttons.start, job.state === "pending" && ["held", "scheduled", "retry"].includes(job.reason));
    show(buttons.cancel, canCancel(job));
    show(buttons.retry, canRetry(job));
    const said = facted(job);
    const key = JSON.stringify(said);
    if (key !== shown) facts.replaceChildren(...said.map(([name, value, title]) => el("div", {}, el("dt", { text: name }), el("dd", { title, text: outside(value, 200) }))));
    shown = key;
  }
  return { node, refresh, gone: () => show(gone, true) };
}

function facted(job) {
  const took = job.startedAt && job.state !== "pending" && (job.completedAt ? duration(seconds(job.startedAt, job.completedAt)) : ago(job.startedAt).replace(" ago", ""));
  return [
    ["Queue", job.priority ? `${job.queue}, priority ${job.priority}` : job.queue],
    ["Attempts spent", `${job.attempts} of ${job.maxAttempts}`],
    ["Submitted", at(job.createdAt), job.createdAt],
    job.startedAt && ["Started", at(job.startedAt), job.startedAt],
    job.completedAt && ["Ended", at(job.completedAt), job.completedAt],
    took && [job.completedAt ? "Took" : "Runs for", took],
    job.items.total && ["Items", `${count(job.items.completed)} of ${count(job.items.total)} done${job.items.failed ? `, ${count(job.items.failed)} failed` : ""}`],
    job.errorCode && ["Error", job.errorCode],
    job.owner && ["Owner", job.owner],
    ...Object.entries(job.labels).map(([name, value]) => [name, value]),
  ].filter(Boolean);
}

function overview(root, context) {
  const story = el("div");
  const data = el("div");
  root.append(el("div", { class: "columns" },
    el("section", { "aria-labelledby": "story" }, el("h2", { id: "story", text: "What happened" }), story), data));
  let shown = "";
  let closed = false;

  function drawData() {
    const { args, results, progress } = context.job;
    const key = JSON.stringify([args, results, progress.metadata]);
    if (key === shown) return;
    shown = key;
    const part = (title, value) => value !== undefined && value !== null && el("section", {}, el("h2", { text: title }), tree(value));
    data.replaceChildren(...[part("Result", results), part("Arguments", args), part("Metadata", progress.metadata)].filter(Boolean));
  }

  async function load() {
    drawData();
    try {
      const { attempts } = await get(jobPath(context.id, "/attempts"));
      if (!closed) story.replaceChildren(timeline(context.job, attempts));
    } catch (problem) {
      if (!closed) story.replaceChildren(el("p", { class: "note error", text: outside(advice(problem), 400) }));
    }
  }
  let known = "";
  const changed = () => {
    // A run that only got further has no new story.
    const now = [context.job.state, context.job.reason, context.job.attempts, context.job.cancelRequested, context.job.runAt].join();
    if (now === known) return drawData();
    known = now;
    load();
  };
  changed();
  return { update() {}, jobChanged: changed, event() {}, keys: {}, close() { closed = true; } };
}

// Asks for other args, and submits a new job with them; answers with its id.
async function editor(job) {
  const field = el("textarea", { id: "args", rows: "16", spellcheck: "false", "aria-describedby": "args-note" });
  field.value = json(job.args ?? {});
  const note = el("p", { id: "args-note", class: "note", role: "alert" });
  const labels = Object.keys(job.labels).length ? `, with its labels` : "";
  const content = el("div", { class: "editor" },
    el("p", { text: `A new ${outside(job.kind, 60)} in queue ${outside(job.queue, 40)}${labels}. The old job stays as it is${isEnded(job) ? "" : ", and goes on"}.` }),
    el("label", { for: "args", text: "Arguments, as JSON" }), field, note);
  let said = "";
  for (;;) {
    put(note, said);
    note.classList.toggle("error", Boolean(said));
    const answer = await dialog("Edit and retry", content, [{ label: "Leave it", value: "", kind: "quiet" }, { label: "Submit a new job", value: "yes", kind: "primary" }], true);
    if (answer !== "yes") return null;
    try {
      const args = JSON.parse(field.value);
      const made = await post("jobs", { kind: job.kind, args, queue: job.queue, priority: job.priority, labels: job.labels });
      toast(`Submitted as ${made.jobId}.`);
      return made.jobId;
    } catch (problem) {
      said = problem instanceof SyntaxError ? `This is not JSON: ${problem.message}` : advice(problem);
    }
  }
}

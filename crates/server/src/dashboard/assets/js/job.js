// One job: where it stands, and its parts. Invariant: progress and log lines are taken from events as they come; the job
// itself is read again when it changed, at most once a second.

import { advice, get, jobPath, post } from "./api.js";
import * as artifacts from "./artifacts.js";
import { badge, button, dialog, el, framed, outside, put, show, throttled, toast } from "./dom.js";
import { ago, at, count, duration, json, look, plural, progressText, seconds, stands } from "./format.js";
import * as items from "./items.js";
import { live } from "./live.js";
import * as log from "./log.js";
import { filter, listAddress } from "./query.js";
import { canCancel, canRetry, isEnded, meter, pace, takeProgress } from "./row.js";
import { timeline } from "./timeline.js";
import { tree } from "./tree.js";

const PARTS = { "": overview, items: items.mount, log: log.mount, files: artifacts.mount };

export const mount = (root, id, part, params) => new JobPage(root, id, part, params);

class JobPage {
  #one = { job: null, moved: Date.now() };
  #part;
  // The part that is mounted, and its name.
  #shown = null;
  #name = null;
  #closed = false;
  #closing = [];

  constructor(root, id, part, params) {
    this.id = id;
    this.params = params;
    this.#part = part;
    this.#build(root);
    this.reread = throttled(() => this.#read(), 1000);
    const draw = framed(() => this.job && this.header.refresh(this.#one));
    this.draw = draw;
    const again = () => {
      this.reread();
      this.#shown?.again?.();
    };
    const stop = live.listen({ again, event: (event) => this.#event(event) });
    const ticker = setInterval(() => !document.hidden && live.state.name !== "ended" && draw(), 5000);
    this.#closing.push(stop, this.reread.close, () => clearInterval(ticker));
    this.reread();
  }

  get title() {
    return outside(this.id, 60);
  }

  get keys() {
    const go = (key) => () => {
      location.hash = address(this.id, key);
    };
    const own = { c: () => this.cancel(), r: () => this.retry(), e: () => this.edit() };
    return { ...own, 1: go(""), 2: go("items"), 3: go("log"), 4: go("files"), ...this.#shown?.keys };
  }

  update(params, part) {
    this.params = params;
    this.#part = part;
    this.#open();
  }

  close() {
    this.#closed = true;
    for (const act of this.#closing) act();
    this.#shown?.close();
  }

  // --- what the parts use

  get job() {
    return this.#one.job;
  }

  // Shows a number beside the name of a part.
  say(key, number) {
    put(this.links[key].lastChild, count(number));
  }

  async retry() {
    if (!this.job || !canRetry(this.job)) return;
    const { failed } = this.job.items;
    await this.#ask("/retry", failed ? `The job tries ${plural(failed, "failed item")} again.` : "The job is tried again.");
  }

  // --- what a person does

  async cancel() {
    if (!this.job || !canCancel(this.job)) return;
    const answer = await dialog(`Cancel ${outside(this.id, 60)}?`, el("p", { text: "What is finished is kept; a retry goes on from there." }), [
      { label: "Keep running", value: "", kind: "quiet" },
      { label: "Cancel", value: "yes", kind: "danger" },
    ]);
    if (answer === "yes") await this.#ask("/cancel", "The job is being cancelled.");
  }

  start() {
    return this.#ask("/start", "The job starts as soon as a slot is free.");
  }

  async edit() {
    if (!this.job) return;
    const made = await editor(this.job);
    if (made) location.hash = address(made);
  }

  async #ask(path, done) {
    try {
      await post(jobPath(this.id, path));
      toast(done);
    } catch (problem) {
      toast(advice(problem), "error");
    }
    this.reread();
  }

  // --- the page

  #build(root) {
    this.header = heading(this);
    this.missing = el("div", { class: "nothing", hidden: true });
    this.home = el("div", { class: "part" });
    const link = (key) => el("a", { href: address(this.id, key) }, el("span", { text: key || "overview" }), el("span", { class: "number" }));
    this.links = Object.fromEntries(Object.keys(PARTS).map((key) => [key, link(key)]));
    this.tabs = el("nav", { class: "tabs parts", "aria-label": "Parts of the job" }, Object.values(this.links));
    root.append(this.header.node, this.tabs, this.missing, this.home);
    show(this.header.node, false);
    show(this.tabs, false);
  }

  // Shows the part that the address names.
  #open() {
    if (!this.job) return;
    const part = this.#part in PARTS ? this.#part : "";
    for (const [key, link] of Object.entries(this.links)) {
      if (key === part) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (this.#name === part) return this.#shown.update(this.params);
    this.#shown?.close();
    this.home.replaceChildren();
    this.#name = part;
    this.#shown = PARTS[part](this.home, this);
  }

  async #read() {
    try {
      const job = await get(jobPath(this.id));
      if (!this.#closed) this.#take(job);
    } catch (problem) {
      if (!this.#closed) this.#fail(problem);
    }
  }

  #take(job) {
    const before = this.job;
    if (before && job.revision < before.revision) return;
    if (!before || job.progress.current !== before.progress.current || job.state !== before.state) this.#one.moved = Date.now();
    this.#one.job = job;
    show(this.missing, false);
    show(this.header.node, true);
    show(this.tabs, true);
    this.header.refresh(this.#one);
    if (job.items.total) this.say("items", job.items.total);
    if (before) this.#shown.jobChanged();
    else this.#open();
  }

  #fail(problem) {
    const absent = problem.code === "not_found";
    if (this.job && absent) return this.header.gone();
    if (this.job) return toast(advice(problem), "error");
    show(this.missing, true);
    this.missing.replaceChildren(el("h1", { text: absent ? "There is no such job" : "This job can not be shown" }),
      el("p", { text: outside(advice(problem), 400) }), el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
  }

  #event(event) {
    if (event.jobId !== this.id || !this.job) return;
    if (event.event === "progress") {
      takeProgress(this.#one, event);
      this.draw();
      // The counts of its items, of the first ones too, come with the job alone.
      this.reread();
    } else if (event.event !== "log") this.reread();
    this.#shown?.event(event);
  }
}

const address = (id, part = "") => `#/${jobPath(id, part && `/${part}`)}`;

function heading(page) {
  const title = el("h1", { class: "id", text: outside(page.id, 200) });
  const kind = el("a", { class: "kind" });
  const state = badge();
  const gone = el("p", { class: "note error", hidden: true, text: "This job was removed. What you see is the last that was known." });
  const actions = buttons(page);
  const progress = progressBox();
  const facts = el("dl", { class: "facts" });
  const node = el("header", { class: "job" },
    el("p", { class: "crumbs" }, el("a", { href: "#/jobs", text: "Jobs" }), " / ", kind),
    el("div", { class: "title" }, title, state.node, actions.node), gone, progress.node, facts);
  let shown = "";
  const refresh = (one) => {
    const { job } = one;
    state.refresh(look(job));
    put(kind, outside(job.kind, 100));
    kind.href = listAddress(filter("kind", job.kind));
    actions.refresh(job);
    progress.refresh(one);
    const said = facted(job);
    const key = JSON.stringify(said);
    if (key === shown) return;
    shown = key;
    facts.replaceChildren(...said.map(([name, value, title]) => el("div", {}, el("dt", { text: outside(name, 80) }), el("dd", { title, text: outside(value, 200) }))));
  };
  return { node, refresh, gone: () => show(gone, true) };
}

// What can be done with a job as it stands.
function buttons(page) {
  const start = button("Start now", () => page.start(), {}, "running");
  const cancel = button("Cancel", () => page.cancel(), { "aria-keyshortcuts": "c" }, "failed");
  const retry = button("Retry", () => page.retry(), { "aria-keyshortcuts": "r" }, "retry");
  const edit = button("Edit and retry", () => page.edit(), { "aria-keyshortcuts": "e" }, "edit");
  const refresh = (job) => {
    show(start, job.state === "pending" && (["held", "scheduled"].includes(job.reason) || (job.reason === "retry" && Date.parse(job.runAt) > Date.now())));
    show(cancel, canCancel(job));
    show(retry, canRetry(job));
  };
  return { node: el("div", { class: "buttons" }, start, cancel, retry, edit), refresh };
}

// How far it is, how fast, and when it should end.
function progressBox() {
  const bar = meter();
  const numbers = el("span");
  const percent = el("span", { class: "percent" });
  const speed = el("span");
  const left = el("span", { class: "left" });
  const task = el("p", { class: "says" });
  const line = el("div", { class: "line" }, numbers, percent, el("span", { class: "grow" }), speed, left);
  const refresh = ({ job, moved }) => {
    bar.refresh(job);
    put(numbers, progressText(job.progress));
    const known = job.progress.percentage;
    put(percent, known === null || known === undefined ? "" : `${known} %`);
    const now = pace(job, moved);
    const due = now.left && !now.stalled ? `, at ${at(new Date(Date.now() + job.progress.timeLeft * 1000))}` : "";
    put(speed, now.rate);
    put(left, now.left + due);
    left.classList.toggle("stalled", now.stalled);
    put(task, outside(stands(job), 1000));
    task.dataset.tone = look(job).tone;
    const moves = job.state === "running" || Boolean(job.progress.current);
    show(line, moves);
    show(bar.node, moves);
  };
  return { node: el("div", { class: "progress" }, line, bar.node, task), refresh };
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
    ...Object.entries(job.labels).map(([name, value]) => [`label.${name}`, value]),
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

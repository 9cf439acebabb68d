// The list of jobs. Invariant: progress is patched into the rows that are shown; all else is read again, at most once a
// second, in one request that also brings the counts; rows move only under a reader who is at the top and holds nothing.

import { advice, get, jobPath, post } from "./api.js";
import { bulk } from "./bulk.js";
import { button, dialog, el, framed, icon, outside, put, show, throttled, toast } from "./dom.js";
import { at, count, plural } from "./format.js";
import { live } from "./live.js";
import { alone, isCounted, listAddress, only, replace, shows } from "./query.js";
import { canCancel, canRetry, row, takeProgress } from "./row.js";

const PAGE = 50;
const STATES = ["running", "pending", "completed", "failed", "cancelled"];
// New jobs that are counted while the reader looks at others.
const MOST_FRESH = 999;
// Requests at a time for rows that are not on the page that was read.
const SINGLY = 4;

export const mount = (root, params) => new Jobs(root, params);

class Jobs {
  title = "Jobs";
  #q = "";
  #before = "";
  // Where the pages begin that lead here.
  #pages = [];
  #next = null;
  #counts = null;
  #total = null;
  #cut = null;
  // A text that was entered and may be a job's id: if it is, the job is opened.
  #sought = "";
  #rows = [];
  #fresh = new Set();
  #chosen = new Set();
  #current = -1;
  // Rows that changed and are not read again yet.
  #changed = new Set();
  #dirty = new Set();
  #loads = null;
  #closing = [];

  constructor(root, params) {
    this.root = root;
    this.#build();
    // After a change: by one request a second at most.
    this.reread = throttled(() => this.#read(!this.#atTop()), 1000);
    this.draw = framed(() => this.#draw());
    // Times go on by themselves.
    const ticker = setInterval(() => !document.hidden && live.state.name !== "ended" && this.#tick(), 5000);
    const stop = live.listen({ again: this.reread, event: (event) => this.#event(event) });
    this.#closing.push(stop, this.reread.close, () => clearInterval(ticker), () => this.#loads?.abort());
    this.update(params);
  }

  get keys() {
    return {
      "/": () => this.field.focus(),
      j: () => this.#move(1),
      k: () => this.#move(this.#current < 0 ? 1 : -1),
      x: () => this.#current >= 0 && this.select(this.#id(), !this.#chosen.has(this.#id())),
      Enter: () => this.#current >= 0 && (location.hash = `#/${jobPath(this.#id())}`),
      c: () => this.cancel(this.#aimed()),
      r: () => this.retry(this.#aimed()),
      Escape: () => this.#letGo(),
    };
  }

  // Shows what an address asks for.
  update(params) {
    const q = params.get("q") ?? "";
    const changed = q !== this.#q;
    this.#q = q;
    this.#before = params.get("before") ?? "";
    // The browser's own way back.
    if (this.#pages.at(-1) === this.#before) this.#pages.pop();
    if (changed || !this.#before) this.#pages = [];
    this.field.value = q;
    this.#current = -1;
    this.#chosen.clear();
    this.#drawTabs();
    this.#drawNote(null);
    this.#read(false);
  }

  close() {
    for (const act of this.#closing) act();
  }

  select(id, yes) {
    if (yes) this.#chosen.add(id);
    else this.#chosen.delete(id);
    this.#mark();
  }

  async cancel(ids) {
    const able = this.#able(ids, canCancel);
    if (!able.length) return toast("None of these can be cancelled: they have ended.");
    const text = able.length === 1 ? `Cancel ${outside(able[0], 60)}?` : `Cancel ${plural(able.length, "job")}?`;
    const answer = await dialog(text, el("p", { text: "What is finished is kept; a retry goes on from there." }), [
      { label: "Keep running", value: "", kind: "quiet" },
      { label: "Cancel", value: "yes", kind: "danger" },
    ]);
    if (answer === "yes") await this.#each(able, "/cancel", "being cancelled");
  }

  async retry(ids) {
    const able = this.#able(ids, canRetry);
    if (!able.length) return toast("None of these can be retried: only ended jobs with something that failed are.");
    await this.#each(able, "/retry", "tried again");
  }

  // --- the parts of the page

  #build() {
    this.note = el("p", { id: "filter-note", class: "note" });
    this.tabs = el("nav", { class: "tabs", "aria-label": "States" });
    this.pill = button("", () => this.#toTop(), { class: "pill", hidden: true });
    this.nothing = el("div", { class: "nothing" });
    this.root.append(el("h1", { class: "hidden", text: "Jobs" }), el("div", { class: "head" }, this.#buildFilter(), this.tabs),
      this.note, this.#buildSelection(), this.#buildTotal(), this.pill, this.#buildTable(), this.nothing, ...this.#buildPager());
  }

  // How many there are, and what can be done with all of them.
  #buildTotal() {
    const all = async (name) => {
      if (await bulk(name, this.#q)) this.reread();
    };
    this.total = el("span", { role: "status" });
    this.whole = el("div", { class: "total", hidden: true }, this.total,
      button("Cancel all…", () => all("cancel"), { class: "quiet small" }, "failed"), button("Retry all…", () => all("retry"), { class: "quiet small" }, "retry"));
    return this.whole;
  }

  #buildFilter() {
    this.field = el("input", { type: "search", id: "filter", name: "q", autocomplete: "off", spellcheck: "false", placeholder: "state:failed kind:walrus.* ended:<1h words", "aria-describedby": "filter-note" });
    // A browser would empty the field, and leave the filter as it is.
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.field.value = this.#q;
    });
    const submit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.form = el("form", { role: "search", class: "filter", on: { submit } }, el("label", { for: "filter", class: "hidden", text: "Filter jobs" }),
      icon("search"), this.field, el("kbd", { text: "/", "aria-hidden": "true" }));
    return this.form;
  }

  #buildSelection() {
    this.picked = el("span", { role: "status" });
    this.selection = el("div", { class: "selection", hidden: true }, this.picked,
      button("Cancel", () => this.cancel([...this.#chosen]), {}, "failed"),
      button("Retry", () => this.retry([...this.#chosen]), {}, "retry"),
      button("Clear", () => this.#letGo(), { class: "quiet" }));
    return this.selection;
  }

  #buildTable() {
    const choose = () => {
      this.#chosen = new Set(this.all.checked ? this.#rows.map((one) => one.job.jobId) : []);
      this.#mark();
    };
    this.all = el("input", { type: "checkbox", "aria-label": "Select all on this page", on: { change: choose } });
    this.body = el("tbody");
    const head = (name, label) => el("th", { scope: "col", class: name, text: label });
    this.table = el("table", { class: "jobs", "aria-label": "Jobs" },
      el("thead", {}, el("tr", {}, el("td", { class: "c-check" }, this.all), head("c-state", "State"), head("c-job", "Job"),
        head("c-progress", "Progress"), head("c-when", "Time"), el("td", { class: "c-tools" }))), this.body);
    return this.table;
  }

  #buildPager() {
    const onward = () => {
      this.#pages.push(this.#before);
      this.#go(this.#next);
    };
    this.newest = button("Newest", () => this.#go(""), { class: "quiet" }, "first");
    this.previous = button("Previous", () => this.#go(this.#pages.pop() ?? ""), {}, "previous");
    this.further = button("Next", onward, {}, "next");
    this.searched = el("span");
    this.cut = el("p", { class: "cut", role: "status", hidden: true }, this.searched, button("Go on searching", onward, {}, "next"));
    this.pager = el("nav", { class: "pager", "aria-label": "Pages" }, this.newest, this.previous, this.further);
    return [this.cut, this.pager];
  }

  // --- where the reader is

  #atTop() {
    return !this.#before && scrollY < 60 && this.#chosen.size === 0 && this.#current < 0;
  }

  #id() {
    return this.#rows[this.#current].job.jobId;
  }

  // What an action is about: what is selected, else the row that the keyboard is on.
  #aimed() {
    if (this.#chosen.size) return [...this.#chosen];
    return this.#current >= 0 ? [this.#id()] : [];
  }

  #able(ids, can) {
    return this.#rows.filter((one) => ids.includes(one.job.jobId) && can(one.job)).map((one) => one.job.jobId);
  }

  #go(cursor) {
    const made = new URLSearchParams();
    if (this.#q) made.set("q", this.#q);
    if (cursor) made.set("before", cursor);
    const text = made.toString();
    location.hash = text ? `#/jobs?${text}` : "#/jobs";
    scrollTo({ top: 0 });
  }

  #submit() {
    const text = this.field.value.trim();
    this.#sought = alone(text);
    if (text === this.#q && !this.#before) this.#read(false);
    else location.hash = listAddress(text);
  }

  #toTop() {
    this.#letGo();
    this.#go("");
    this.#read(false);
  }

  #letGo() {
    this.#chosen.clear();
    this.#current = -1;
    document.activeElement?.blur();
    this.#mark();
    this.reread();
  }

  #move(by) {
    if (!this.#rows.length) return;
    this.#current = Math.max(0, Math.min(this.#rows.length - 1, this.#current + by));
    this.#mark();
    const { node } = this.#rows[this.#current];
    node.querySelector("a.id").focus();
    node.scrollIntoView({ block: "nearest" });
  }

  // --- what the server says

  #event(event) {
    const one = this.#rows.find((one) => one.job.jobId === event.jobId);
    if (event.event === "log") return;
    if (event.event === "progress" || event.event === "items") {
      if (!one) return;
      if (event.event === "progress") takeProgress(one, event);
      else one.job = { ...one.job, items: event.counts };
      this.#dirty.add(one);
      this.draw();
      return;
    }
    if (one) this.#changed.add(event.jobId);
    else if (event.event === "state" && event.state === "pending" && event.revision <= 1) this.#count(event);
    this.reread();
  }

  #count(event) {
    if (this.#fresh.size < MOST_FRESH && shows(this.#q, event)) this.#fresh.add(event.jobId);
  }

  // Reads the page; lays it out anew, or only patches the rows that are there.
  async #read(patch) {
    this.#loads?.abort();
    this.#loads = new AbortController();
    const params = { limit: String(PAGE), ...(this.#q && { q: this.#q }), ...(this.#before && { cursor: this.#before }) };
    const sought = this.#sought;
    this.#sought = "";
    try {
      const page = await get("jobs", params, this.#loads.signal);
      if (sought && page.jobs.length === 1 && page.jobs[0].jobId === sought) return location.replace(`#/${jobPath(sought)}`);
      this.#counts = page.counts;
      this.#total = { number: page.total, least: page.totalIs === "atLeast" };
      this.#cut = page.cut ?? null;
      this.#next = page.nextCursor ?? null;
      if (patch) await this.#patch(page.jobs);
      else {
        this.#fresh.clear();
        this.#lay(page.jobs);
      }
      this.#drawNote(null);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#drawNote(problem);
      // A filter that is not understood never shows everything.
      if (!patch && problem.code === "bad_request") this.#refuse();
    }
    this.#drawTabs();
    this.#drawTotal();
    this.#drawPill();
    this.#drawPager();
  }

  #refuse() {
    this.#counts = null;
    this.#total = null;
    this.#cut = null;
    this.#next = null;
    this.#lay([]);
    this.nothing.replaceChildren(el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
  }

  async #patch(jobs) {
    const found = new Map(jobs.map((job) => [job.jobId, job]));
    const missing = [];
    for (const one of this.#rows) {
      const job = found.get(one.job.jobId);
      if (job) renew(one, job);
      else if (this.#changed.has(one.job.jobId)) missing.push(one);
    }
    this.#changed = new Set(missing.slice(SINGLY).map((one) => one.job.jobId));
    for (const one of missing.slice(0, SINGLY)) {
      const job = await get(jobPath(one.job.jobId)).catch((problem) => problem);
      if (job.jobId) renew(one, job);
      else if (job.code === "not_found") one.node.classList.add("gone");
    }
    if (this.#changed.size) this.reread();
  }

  // Shows these jobs in this order; rows that stay are kept, with what is selected and focused in them.
  #lay(jobs) {
    const known = new Map(this.#rows.map((one) => [one.job.jobId, one]));
    const held = this.#current >= 0 ? this.#id() : null;
    this.#changed.clear();
    this.#rows = jobs.map((job) => {
      const one = known.get(job.jobId) ?? row(job, this);
      renew(one, job);
      return one;
    });
    const kept = new Set(this.#rows.map((one) => one.node));
    for (const node of [...this.body.children]) if (!kept.has(node)) node.remove();
    this.#rows.forEach(({ node }, index) => {
      if (this.body.children[index] !== node) this.body.insertBefore(node, this.body.children[index] ?? null);
    });
    this.#current = held ? this.#rows.findIndex((one) => one.job.jobId === held) : -1;
    this.#drawEmpty();
    this.#mark();
  }

  async #each(ids, path, done) {
    const outcomes = [];
    for (let from = 0; from < ids.length; from += SINGLY) {
      const some = ids.slice(from, from + SINGLY).map((id) => post(jobPath(id, path)).then(() => null, (problem) => problem));
      outcomes.push(...(await Promise.all(some)));
    }
    const refused = outcomes.filter(Boolean);
    const well = ids.length - refused.length;
    if (well) toast(ids.length === 1 ? `${outside(ids[0], 60)}: ${done}.` : `${plural(well, "job")}: ${done}.`);
    if (refused.length) toast(`${refused.length > 1 ? `${count(refused.length)} refused. ` : ""}${advice(refused[0])}`, "error");
    this.reread();
  }

  // --- drawing

  #tick() {
    for (const one of this.#rows) this.#dirty.add(one);
    this.draw();
  }

  #draw() {
    for (const one of this.#dirty) one.refresh();
    this.#dirty.clear();
    this.#drawPill();
  }

  #drawTabs() {
    // Under a filter that is not counted by state, only what is shown has a number.
    const counts = isCounted(this.#q) ? this.#counts : null;
    const all = counts && STATES.reduce((sum, name) => sum + counts[name], 0);
    const entries = [["", "All", all], ...STATES.map((name) => [name, name, counts?.[name]])];
    if (!this.tabs.childElementCount) {
      const tab = ([name, word]) => el("a", { data: { tone: name || "all" } }, name && icon(name), el("span", { class: "word", text: word }), el("span", { class: "number" }));
      this.tabs.append(...entries.map(tab));
    }
    const state = only(this.#q, "state");
    entries.forEach(([name, , number], index) => {
      const tab = this.tabs.children[index];
      tab.href = listAddress(name ? replace(this.#q, "state", name) : replace(this.#q, "state"));
      if (name === state) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
      put(tab.lastElementChild, number === undefined || number === null ? "" : count(number));
    });
  }

  #drawNote(problem) {
    put(this.note, problem ? outside(advice(problem), 600) : "");
    this.note.classList.toggle("error", Boolean(problem));
    show(this.note, Boolean(problem));
  }

  // How many jobs the filter shows, and how far was searched when that was given up.
  #drawTotal() {
    const { number, least } = this.#total ?? {};
    // "At least none" says nothing.
    put(this.total, number || !least ? `${least ? "At least " : ""}${plural(number ?? 0, "job")}` : "");
    show(this.whole, Boolean(this.#total && (number || least)));
    const { lookedAt, backTo } = this.#cut ?? {};
    if (this.#cut) put(this.searched, `Searched ${plural(lookedAt, "job")}, back to ${at(backTo)}.`);
    show(this.cut, Boolean(this.#cut));
  }

  #drawPill() {
    show(this.pill, this.#fresh.size > 0 && !this.#atTop());
    put(this.pill, this.#fresh.size >= MOST_FRESH ? `More than ${MOST_FRESH} new jobs` : plural(this.#fresh.size, "new job"));
  }

  #drawPager() {
    this.previous.disabled = this.#pages.length === 0;
    this.further.disabled = !this.#next;
    this.newest.disabled = !this.#before;
    show(this.pager, Boolean(this.#before) || Boolean(this.#next));
  }

  #drawEmpty() {
    const none = this.#rows.length === 0;
    const empty = none && !this.#q && !this.#before && this.#counts && STATES.every((name) => this.#counts[name] === 0);
    show(this.table, !none);
    show(this.nothing, none);
    show(this.form, !empty);
    show(this.tabs, !empty);
    if (!none) return;
    if (empty) this.nothing.replaceChildren(startPage());
    else this.nothing.replaceChildren(el("p", { text: this.#cut ? "Nothing found so far." : this.#before ? "No older jobs." : "No job matches this filter." }), el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
  }

  #mark() {
    const known = new Set(this.#rows.map((one) => one.job.jobId));
    this.#chosen = new Set([...this.#chosen].filter((id) => known.has(id)));
    this.#rows.forEach((one, index) => {
      one.check.checked = this.#chosen.has(one.job.jobId);
      one.node.classList.toggle("current", index === this.#current);
    });
    this.all.checked = this.#rows.length > 0 && this.#chosen.size === this.#rows.length;
    this.all.indeterminate = this.#chosen.size > 0 && !this.all.checked;
    show(this.selection, this.#chosen.size > 0);
    put(this.picked, `${plural(this.#chosen.size, "job")} selected`);
  }
}

function renew(one, job) {
  if (job.revision < one.job.revision) return;
  if (job.progress.current !== one.job.progress.current || job.state !== one.job.state) one.moved = Date.now();
  one.job = job;
  one.refresh();
}

// What an installation without jobs shows: how to start the first one.
function startPage() {
  const command = (text, says) => el("li", {}, el("code", { text }), el("span", { text: says }));
  return el("section", { class: "start", "aria-labelledby": "start-title" },
    el("h2", { id: "start-title", text: "No jobs yet" }),
    el("p", { text: "Start the first one in a terminal. It appears here at once, and goes on when the terminal is closed." }),
    el("ol", { class: "commands" },
      command("longhaul run -- sh -c 'sleep 30; echo done'", "any program, with its log and its exit code"),
      command("longhaul run --progress-pattern '(\\d+)/(\\d+)' -- ./convert.sh", "with a bar, read from what the program prints"),
      command("waltodo retrieve mylist", "the blobs of a todo list, verified"),
      command("longhaul demo", "see a job go on after its server was killed")));
}

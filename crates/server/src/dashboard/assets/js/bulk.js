// Cancel and retry of all that a filter shows, as a job of its own. Invariant: the server counts before anything is asked for,
// more than a few are confirmed by typing their number, and what was done and left out is said.

import { advice, get, jobPath, post, send } from "./api.js";
import { el, outside, put, show } from "./dom.js";
import { count, plural, waits } from "./format.js";
import { live } from "./live.js";

// So many are changed without typing their number.
const FEW = 10;
// Steps of a count: with 10,000 jobs each, more are "at least".
const COUNTS = 10;

const WORDS = {
  cancel: { verb: "Cancel", doing: "Cancelling", done: "cancelled, or told to stop", keep: "Keep running", kind: "danger", note: "What is finished is kept; a retry goes on from there.", none: "No job here can be cancelled: they have ended." },
  retry: { verb: "Retry", doing: "Retrying", done: "tried again", keep: "Leave them", kind: "primary", note: "What was finished is kept: only the rest runs again.", none: "No job here can be retried: only ended jobs with something that failed are." },
};

// Asks, has it done, and says what was done; ends when the dialog is closed, with whether it was begun.
export const bulk = (name, q) => new Bulk(name, q).ended;

class Bulk {
  #body;
  #counted = { matched: 0, least: false };
  #stopper = new AbortController();
  // The job that does it, and what ends listening to it.
  #id = null;
  #deaf = () => {};
  #over = false;

  constructor(name, q) {
    this.path = `jobs/${name}`;
    this.words = WORDS[name];
    // Without a filter it is every job, which must be said.
    this.#body = q ? { q } : { all: true };
    this.#build(q);
    this.ended = new Promise((resolve) => {
      this.node.addEventListener("close", () => {
        this.#stopper.abort();
        this.#deaf();
        this.node.remove();
        resolve(this.#id !== null);
      });
    });
    document.body.append(this.node);
    this.node.showModal();
    this.#count();
  }

  #build(q) {
    const { verb, keep, kind } = this.words;
    const what = q ? ["that this filter shows: ", el("code", { text: outside(q, 400) })] : "that there are, whatever their kind and queue";
    this.said = el("p", { role: "status" });
    this.note = el("p", { class: "quiet" });
    this.typed = el("input", { id: "bulk-number", inputmode: "numeric", autocomplete: "off", on: { input: () => this.#check() } });
    this.ask = el("p", { class: "typed" }, el("label", { for: "bulk-number" }), this.typed);
    this.fill = el("span", { class: "fill" });
    this.meter = el("span", { class: "meter", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100", data: { tone: "running" } }, this.fill);
    this.problem = el("p", { class: "note error", role: "alert" });
    this.leave = el("button", { type: "button", class: "quiet", text: keep, on: { click: () => this.node.close() } });
    this.halt = el("button", { type: "button", class: "quiet", text: "Stop", on: { click: () => this.#halt() } });
    this.go = el("button", { type: "submit", class: kind, text: verb });
    const submit = (event) => {
      event.preventDefault();
      if (!this.go.disabled) this.#work();
    };
    for (const part of [this.ask, this.meter, this.problem, this.halt]) show(part, false);
    this.go.disabled = true;
    const form = el("form", { class: "bulk", on: { submit } }, el("h2", { id: "bulk-title", text: `${verb} by filter` }), el("p", {}, "All jobs ", what),
      this.said, this.note, this.ask, this.meter, this.problem, el("div", { class: "buttons" }, this.halt, this.leave, this.go));
    this.node = el("dialog", { "aria-labelledby": "bulk-title" }, form);
  }

  // Counts by dry runs, as far as it goes.
  async #count() {
    put(this.said, "Counting…");
    try {
      let cursor;
      for (let steps = 0; steps === 0 || (cursor && steps < COUNTS); steps += 1) {
        const response = await send("POST", this.path, { body: { ...this.#body, dryRun: true, cursor }, signal: this.#stopper.signal });
        const { matched, nextCursor } = await response.json();
        cursor = nextCursor;
        this.#counted.matched += matched;
        put(this.said, `Counting… ${count(this.#counted.matched)}`);
      }
      this.#counted.least = Boolean(cursor);
    } catch (problem) {
      if (problem.name !== "AbortError") this.#fail(problem, "Nothing was changed.");
      return;
    }
    this.#confirm();
  }

  #confirm() {
    const { matched, least } = this.#counted;
    const { verb, note, none } = this.words;
    if (!matched && !least) {
      put(this.said, none);
      put(this.leave, "Close");
      show(this.go, false);
      return;
    }
    put(this.said, `${least ? "At least " : ""}${plural(matched, "job")} can be changed now.`);
    put(this.note, note);
    put(this.go, `${verb} ${least ? "them all" : plural(matched, "job")}`);
    if (matched > FEW || least) {
      put(this.ask.firstChild, `Type ${matched} to go on`);
      show(this.ask, true);
      this.typed.focus();
    }
    this.#check();
  }

  #check() {
    const { matched, least } = this.#counted;
    const must = matched > FEW || least;
    this.go.disabled = must && this.typed.value.replace(/[\s,.]/g, "") !== String(matched);
  }

  // A job of its own does it: this only follows.
  async #work() {
    for (const part of [this.ask, this.note, this.problem, this.go]) show(part, false);
    put(this.said, "Starting…");
    this.leave.focus();
    try {
      this.#id = (await post(this.path, { ...this.#body, background: true })).jobId;
    } catch (problem) {
      this.#fail(problem, "Nothing was changed.");
      return;
    }
    const link = el("a", { href: `#/${jobPath(this.#id)}`, text: `job ${this.#id}`, on: { click: () => this.node.close() } });
    this.note.replaceChildren("It goes on when this is closed: ", link);
    for (const part of [this.note, this.meter, this.halt]) show(part, true);
    put(this.leave, "Close");
    const event = (event) => {
      if (event.jobId !== this.#id) return;
      if (event.event === "progress") this.#draw(event.progress);
      else if (event.event !== "log") this.#read();
    };
    this.#deaf = live.listen({ event, again: () => this.#read() });
    await this.#read();
  }

  // The job as it is, when something may have been missed and at its end.
  async #read() {
    try {
      const job = await get(jobPath(this.#id), undefined, this.#stopper.signal);
      if (this.#over) return;
      this.#draw(job.progress);
      if (job.state === "pending") put(this.said, waits(job));
      if (job.completedAt) this.#end(job);
    } catch (problem) {
      if (problem.name !== "AbortError") this.#fail(problem, "What became of it is not known yet.");
    }
  }

  #draw({ current, total, currentTask }) {
    const share = total ? Math.min(1, current / total) : 0;
    this.meter.classList.toggle("unknown", !share);
    put(this.said, currentTask === "counting" || total == null ? `${this.words.doing}…` : `${this.words.doing}… ${count(current)} of ${count(total)}`);
    this.fill.style.transform = `scaleX(${share})`;
    this.meter.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
  }

  #end({ state, results, progress, error }) {
    this.#over = true;
    this.#deaf();
    for (const part of [this.meter, this.halt]) show(part, false);
    if (state === "completed") {
      const { done, skipped } = results;
      const left = skipped ? ` ${count(skipped)} left out: its log says which.` : "";
      put(this.said, `${plural(done, "job")} ${this.words.done}.${left}`);
    } else if (state === "cancelled") put(this.said, `Stopped after ${plural(progress.current, "job")}: older ones are left.`);
    else this.#fail(new Error(error), "It failed.");
    this.leave.focus();
  }

  #fail(problem, said) {
    put(this.said, said);
    put(this.problem, outside(advice(problem), 600));
    show(this.problem, true);
    show(this.go, false);
    put(this.leave, "Close");
  }

  // What is done stays done.
  async #halt() {
    this.halt.disabled = true;
    try {
      await post(jobPath(this.#id, "/cancel"));
    } catch (problem) {
      this.halt.disabled = false;
      put(this.problem, outside(advice(problem), 600));
      show(this.problem, true);
    }
  }
}

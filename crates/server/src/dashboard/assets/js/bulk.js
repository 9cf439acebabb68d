// Cancel and retry of all that a filter shows. Invariant: the server counts before anything is asked for, more than a few are
// confirmed by typing their number, and what was done and skipped is said, also when it stopped half-way.

import { advice, send } from "./api.js";
import { el, outside, put, show } from "./dom.js";
import { count, plural } from "./format.js";

// So many are changed without typing their number.
const FEW = 10;
// Steps of a count: with 10,000 jobs each, more are "at least".
const COUNTS = 10;

const WORDS = {
  cancel: { verb: "Cancel", doing: "Cancelling", done: "cancelled, or told to stop", keep: "Keep running", kind: "danger", note: "What is finished is kept; a retry goes on from there.", none: "No job here can be cancelled: they have ended." },
  retry: { verb: "Retry", doing: "Retrying", done: "tried again", keep: "Leave them", kind: "primary", note: "What was finished is kept: only the rest runs again.", none: "No job here can be retried: only ended jobs with something that failed are." },
};
const SKIPPED = "they changed meanwhile, or another job lives under their unique key";

// Asks, does it, and says what was done; ends when the dialog is closed, with whether anything was done.
export const bulk = (name, q) => new Bulk(name, q).ended;

class Bulk {
  #body;
  #counted = { matched: 0, least: false };
  #sum = { done: 0, skipped: 0 };
  #cursor = null;
  #stopper = new AbortController();
  #working = false;
  #stopped = false;

  constructor(name, q) {
    this.path = `jobs/${name}`;
    this.words = WORDS[name];
    // Without a filter it is every job, which must be said.
    this.#body = q ? { q } : { all: true };
    this.#build(q);
    this.ended = new Promise((resolve) => {
      this.node.addEventListener("close", () => {
        this.#stopper.abort();
        this.node.remove();
        resolve(this.#sum.done > 0);
      });
    });
    this.node.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#leave();
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
    this.leave = el("button", { type: "button", class: "quiet", text: keep, on: { click: () => this.#leave() } });
    this.go = el("button", { type: "submit", class: kind, text: verb });
    const submit = (event) => {
      event.preventDefault();
      if (!this.go.disabled) this.#work();
    };
    for (const part of [this.ask, this.meter, this.problem]) show(part, false);
    this.go.disabled = true;
    const form = el("form", { class: "bulk", on: { submit } }, el("h2", { id: "bulk-title", text: `${verb} by filter` }), el("p", {}, "All jobs ", what),
      this.said, this.note, this.ask, this.meter, this.problem, el("div", { class: "buttons" }, this.leave, this.go));
    this.node = el("dialog", { "aria-labelledby": "bulk-title" }, form);
  }

  async #step(more) {
    const response = await send("POST", this.path, { body: { ...this.#body, ...more, ...(this.#cursor && { cursor: this.#cursor }) }, signal: this.#stopper.signal });
    const answer = await response.json();
    this.#cursor = answer.nextCursor ?? null;
    return answer;
  }

  // Counts by dry runs, as far as it goes.
  async #count() {
    put(this.said, "Counting…");
    try {
      for (let steps = 0; steps === 0 || (this.#cursor && steps < COUNTS); steps += 1) {
        const { matched } = await this.#step({ dryRun: true });
        this.#counted.matched += matched;
        put(this.said, `Counting… ${count(this.#counted.matched)}`);
      }
    } catch (problem) {
      if (problem.name !== "AbortError") this.#fail(problem, "Nothing was changed.");
      return;
    }
    this.#counted.least = Boolean(this.#cursor);
    this.#cursor = null;
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

  // Step by step, each from where the one before stopped.
  async #work() {
    this.#working = true;
    this.#stopped = false;
    for (const part of [this.ask, this.note, this.problem, this.go]) show(part, false);
    show(this.meter, true);
    put(this.leave, "Stop");
    this.leave.focus();
    this.#draw();
    try {
      do {
        const { done, skipped } = await this.#step({});
        this.#sum.done += done;
        this.#sum.skipped += skipped;
        this.#draw();
      } while (this.#cursor && !this.#stopped);
    } catch (problem) {
      this.#working = false;
      this.#fail(problem, this.#told());
      // From where it stopped: what is done already is not matched again.
      put(this.go, "Go on");
      this.go.disabled = false;
      show(this.go, problem.status !== 400 && problem.status !== 401);
      return;
    }
    this.#working = false;
    put(this.said, `${this.#cursor ? "Stopped: older jobs are left. " : ""}${this.#told()}`);
    put(this.leave, "Close");
    this.leave.disabled = false;
  }

  #draw() {
    const { matched, least } = this.#counted;
    const { done, skipped } = this.#sum;
    this.meter.classList.toggle("unknown", done + skipped === 0);
    const share = matched ? Math.min(1, (done + skipped) / matched) : 0;
    put(this.said, `${this.words.doing}… ${count(done)} of ${least ? "at least " : ""}${count(matched)}${skipped ? `, ${count(skipped)} skipped` : ""}`);
    this.fill.style.transform = `scaleX(${share})`;
    this.meter.setAttribute("aria-valuenow", String(Math.floor(share * 100)));
  }

  #told() {
    const { done, skipped } = this.#sum;
    return `${plural(done, "job")} ${this.words.done}.${skipped ? ` ${count(skipped)} skipped: ${SKIPPED}.` : ""}`;
  }

  #fail(problem, said) {
    put(this.said, said);
    put(this.problem, outside(advice(problem), 600));
    show(this.problem, true);
    show(this.go, false);
    put(this.leave, "Close");
    this.leave.disabled = false;
  }

  // While it works, stops after the request that is on its way: what that does is to be said.
  #leave() {
    if (!this.#working) return this.node.close();
    this.#stopped = true;
    this.leave.disabled = true;
    put(this.leave, "Stopping…");
  }
}

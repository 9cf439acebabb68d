// Failed jobs by what went wrong, as the server counts them: one fault that hits a hundred jobs is one line.

import { advice, get } from "./api.js";
import { el, outside, put, show, throttled } from "./dom.js";
import { ago, count } from "./format.js";
import { live } from "./live.js";
import { filter, kindFilter, listAddress } from "./query.js";
import { idLink } from "./row.js";

export const mount = (root) => new Failures(root);

class Failures {
  title = "Failures";
  keys = {};
  #stopper = null;

  constructor(root) {
    this.note = el("p", { class: "note" });
    this.body = el("tbody");
    const head = (text, name) => el("th", { scope: "col", class: name, text });
    const heads = [head("What went wrong"), head("Kind"), head("Jobs", "figure"), head("Failed"), head("Newest job")];
    this.table = el("table", { class: "failures", "aria-label": "Failures" }, el("thead", {}, el("tr", {}, heads)), this.body);
    this.none = el("div", { class: "nothing", hidden: true }, el("p", { text: "Nothing has failed." }), el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
    root.append(el("h1", { text: "Failures" }), this.note, this.table, this.none);
    show(this.table, false);
    this.reread = throttled(() => this.#read(), 2000);
    const event = ({ event, state }) => event === "state" && ["failed", "pending"].includes(state) && this.reread();
    this.stop = live.listen({ again: this.reread, event });
    this.reread();
  }

  update() {}

  close() {
    this.stop();
    this.reread.close();
    this.#stopper?.abort();
  }

  async #read() {
    this.#stopper?.abort();
    this.#stopper = new AbortController();
    try {
      this.#draw(await get("failures", undefined, this.#stopper.signal));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      put(this.note, outside(advice(problem), 400));
      this.note.classList.add("error");
    }
  }

  #draw({ failures, more }) {
    this.body.replaceChildren(...failures.map(row));
    show(this.table, failures.length > 0);
    show(this.none, failures.length === 0);
    this.note.classList.remove("error");
    put(this.note, more ? "There are more kinds and error codes than are shown here." : "");
  }
}

function row({ errorCode: code, kind, total, totalIs, newest }) {
  const failed = el("time", { datetime: newest.completedAt, title: newest.completedAt, text: ago(newest.completedAt) });
  return el("tr", {},
    el("th", { scope: "row" }, el("a", { href: listAddress(`${filter("error", code)} ${filter("kind", kind)}`) }, el("code", { class: "code", text: outside(code, 80) })), el("span", { class: "under", text: outside(newest.error ?? "", 300) })),
    el("td", {}, el("a", { href: listAddress(kindFilter(kind, "failed")), text: outside(kind, 80) })),
    el("td", { class: "figure", text: `${totalIs === "exact" ? "" : "≥ "}${count(total)}` }), el("td", {}, failed), el("td", {}, idLink(newest.jobId)));
}

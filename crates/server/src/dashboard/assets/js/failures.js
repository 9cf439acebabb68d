// The newest failed jobs, by what went wrong: one fault that hits a hundred jobs is one line.

import { advice, get } from "./api.js";
import { el, outside, put, show, throttled } from "./dom.js";
import { ago, count, plural } from "./format.js";
import { live } from "./live.js";
import { kindFilter, listAddress } from "./query.js";
import { idLink } from "./row.js";

const PAGES = 5;
const PAGE = 100;

export const mount = (root) => new Failures(root);

class Failures {
  title = "Failures";
  keys = {};
  #stopper = null;

  constructor(root) {
    this.note = el("p", { class: "note" });
    this.body = el("tbody");
    const head = (text, name) => el("th", { scope: "col", class: name, text });
    const heads = [head("What went wrong"), head("Kind"), head("Jobs", "figure"), head("Last"), head("Newest job")];
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
      const { jobs, total } = await newest(this.#stopper.signal);
      this.#draw(jobs, total);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      put(this.note, outside(advice(problem), 400));
      this.note.classList.add("error");
    }
  }

  #draw(jobs, total) {
    const groups = grouped(jobs);
    this.body.replaceChildren(...groups.map(row));
    show(this.table, groups.length > 0);
    show(this.none, groups.length === 0);
    this.note.classList.remove("error");
    const part = jobs.length < total ? `The newest ${count(jobs.length)} of ${plural(total, "failed job")}, ` : `${plural(jobs.length, "failed job")}, `;
    put(this.note, groups.length ? `${part}by error code and kind.` : "");
  }
}

// The newest failed jobs, and how many there are in all.
async function newest(signal) {
  const jobs = [];
  let total = 0;
  let cursor;
  for (let page = 0; page < PAGES; page += 1) {
    const params = { state: "failed", limit: String(PAGE), ...(cursor && { cursor }) };
    const answer = await get("jobs", params, signal);
    jobs.push(...answer.jobs);
    total = answer.counts.failed;
    cursor = answer.nextCursor;
    if (!cursor) break;
  }
  return { jobs, total };
}

// By code and kind, the most frequent first.
function grouped(jobs) {
  const groups = new Map();
  for (const job of jobs) {
    const key = JSON.stringify([job.errorCode, job.kind]);
    const group = groups.get(key) ?? { code: job.errorCode ?? "unknown", kind: job.kind, number: 0, newest: job };
    group.number += 1;
    if (job.completedAt > group.newest.completedAt) group.newest = job;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.number - a.number || (a.newest.completedAt < b.newest.completedAt ? 1 : -1));
}

function row({ code, kind, number, newest }) {
  const failed = el("time", { datetime: newest.completedAt, title: newest.completedAt, text: ago(newest.completedAt) });
  return el("tr", {},
    el("th", { scope: "row" }, el("code", { class: "code", text: outside(code, 80) }), el("span", { class: "under", text: outside(newest.error ?? "", 300) })),
    el("td", {}, el("a", { href: listAddress(kindFilter(kind, "failed")), text: outside(kind, 80) })),
    el("td", { class: "figure", text: count(number) }), el("td", {}, failed), el("td", {}, idLink(newest.jobId)));
}

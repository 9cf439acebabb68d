// The newest failed jobs, by what went wrong: one fault that hits a hundred jobs is one line.

import { advice, get } from "./api.js";
import { el, outside, put, show, throttled } from "./dom.js";
import { ago, count, plural } from "./format.js";
import { idLink, kindFilter } from "./jobs.js";
import { live } from "./live.js";
import { listAddress } from "./query.js";

const PAGES = 5;
const PAGE = 100;

export function mount(root) {
  const note = el("p", { class: "note" });
  const body = el("tbody");
  const head = (text, name) => el("th", { scope: "col", class: name, text });
  const table = el("table", { class: "failures", "aria-label": "Failures" },
    el("thead", {}, el("tr", {}, head("What went wrong"), head("Kind"), head("Jobs", "figure"), head("Last"), head("Newest job"))), body);
  const none = el("div", { class: "nothing", hidden: true }, el("p", { text: "Nothing has failed." }), el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
  root.append(el("h1", { text: "Failures" }), note, table, none);
  show(table, false);

  let stopper = null;
  async function read() {
    stopper?.abort();
    stopper = new AbortController();
    const jobs = [];
    let total = 0;
    let cursor;
    try {
      for (let page = 0; page < PAGES; page += 1) {
        const params = { state: "failed", limit: String(PAGE), ...(cursor && { cursor }) };
        const answer = await get("jobs", params, stopper.signal);
        jobs.push(...answer.jobs);
        total = answer.counts.failed;
        cursor = answer.nextCursor;
        if (!cursor) break;
      }
      draw(jobs, total);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      put(note, advice(problem));
      note.classList.add("error");
      show(note, true);
    }
  }

  function draw(jobs, total) {
    const groups = new Map();
    for (const job of jobs) {
      const key = JSON.stringify([job.errorCode, job.kind]);
      const group = groups.get(key) ?? { code: job.errorCode ?? "unknown", kind: job.kind, number: 0, newest: job };
      group.number += 1;
      if (job.completedAt > group.newest.completedAt) group.newest = job;
      groups.set(key, group);
    }
    const sorted = [...groups.values()].sort((a, b) => b.number - a.number || (a.newest.completedAt < b.newest.completedAt ? 1 : -1));
    body.replaceChildren(...sorted.map(row));
    show(table, sorted.length > 0);
    show(none, sorted.length === 0);
    note.classList.remove("error");
    const part = jobs.length < total ? `The newest ${count(jobs.length)} of ${plural(total, "failed job")}, ` : `${plural(jobs.length, "failed job")}, `;
    put(note, sorted.length ? `${part}by error code and kind.` : "");
  }

  function row(group) {
    const { newest } = group;
    return el("tr", {},
      el("th", { scope: "row" }, el("code", { class: "code", text: outside(group.code, 80) }), el("span", { class: "under", text: outside(newest.error ?? "", 300) })),
      el("td", {}, el("a", { href: listAddress(kindFilter(group.kind, "failed")), text: outside(group.kind, 80) })),
      el("td", { class: "figure", text: count(group.number) }),
      el("td", {}, el("time", { datetime: newest.completedAt, title: newest.completedAt, text: ago(newest.completedAt) })),
      el("td", {}, idLink(newest.jobId)));
  }

  const reread = throttled(read, 2000);
  const stop = live.listen({
    again: reread,
    event(event) {
      if (event.event === "state" && (event.state === "failed" || event.state === "pending")) reread();
    },
  });
  reread();
  return { title: "Failures", keys: {}, update() {}, close() { stop(); reread.close(); stopper?.abort(); } };
}

// The queues: how full, how busy, paused or not.

import { advice, get, post } from "./api.js";
import { badge, button, el, outside, put, show, throttled, toast } from "./dom.js";
import { at, count } from "./format.js";
import { live } from "./live.js";
import { filter, listAddress } from "./query.js";

const STATES = ["pending", "running", "completed", "failed", "cancelled"];

export function mount(root) {
  const note = el("p", { class: "note error", role: "alert", hidden: true });
  const body = el("tbody");
  const head = (text, name) => el("th", { scope: "col", class: name, text });
  const table = el("table", { class: "queues", "aria-label": "Queues" },
    el("thead", {}, el("tr", {}, head("Queue"), head("State"), head("Slots"), STATES.map((name) => head(name, "figure")), el("td"))), body);
  root.append(el("h1", { text: "Queues" }), note, table);
  show(table, false);
  const rows = new Map();

  function row(name) {
    const state = badge();
    const fill = el("span", { class: "fill" });
    const slots = el("span", { class: "under" });
    const links = STATES.map((state) => el("a", { href: listAddress(`${filter("state", state)} ${filter("queue", name)}`) }));
    const act = button("", () => change(one), { "aria-label": "" });
    const node = el("tr", {}, el("th", { scope: "row", text: outside(name, 100) }), el("td", {}, state.node),
      el("td", { class: "c-slots" }, el("span", { class: "meter", "aria-hidden": "true", data: { tone: "running" } }, fill), slots),
      links.map((link, index) => el("td", { class: "figure", data: { label: STATES[index] } }, link)), el("td", { class: "c-tools" }, act));
    const one = { node, queue: null, refresh: null };
    one.refresh = (queue) => {
      one.queue = queue;
      state.refresh(queue.paused ? { tone: "paused", word: `paused since ${at(queue.pausedAt)}` } : { tone: "running", word: "open" });
      const { running } = queue.counts;
      fill.style.transform = `scaleX(${queue.concurrency ? Math.min(1, running / queue.concurrency) : 0})`;
      put(slots, queue.concurrency ? `${count(running)} of ${count(queue.concurrency)} busy` : "run elsewhere");
      links.forEach((link, index) => put(link, count(queue.counts[STATES[index]])));
      put(act, queue.paused ? "Resume" : "Pause");
      act.setAttribute("aria-label", `${queue.paused ? "Resume" : "Pause"} ${outside(name, 100)}`);
    };
    return one;
  }

  async function change({ queue }) {
    const path = `queues/${encodeURIComponent(queue.name)}/${queue.paused ? "resume" : "pause"}`;
    try {
      const now = await post(path);
      toast(now.paused ? `${outside(now.name, 60)} is paused: nothing of it starts, what runs goes on.` : `${outside(now.name, 60)} is open again.`);
    } catch (problem) {
      toast(advice(problem), "error");
    }
    reread();
  }

  async function read() {
    try {
      const { queues } = await get("queues");
      const known = new Set(queues.map((queue) => queue.name));
      for (const [name, one] of rows) if (!known.has(name)) { one.node.remove(); rows.delete(name); }
      for (const queue of queues) {
        if (!rows.has(queue.name)) {
          rows.set(queue.name, row(queue.name));
          body.append(rows.get(queue.name).node);
        }
        rows.get(queue.name).refresh(queue);
      }
      show(table, true);
      show(note, false);
    } catch (problem) {
      put(note, advice(problem));
      show(note, true);
    }
  }

  const reread = throttled(read, 1000);
  const stop = live.listen({ again: reread, event: (event) => event.event === "state" && reread() });
  reread();
  return { title: "Queues", keys: {}, update() {}, close() { stop(); reread.close(); } };
}

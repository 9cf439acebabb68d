// The queues: how full, how busy, how long the first waits, paused or not.

import { advice, get, post } from "./api.js";
import { badge, button, el, outside, put, toast } from "./dom.js";
import { ago, at, count } from "./format.js";
import { filter, listAddress } from "./query.js";
import { head, Table } from "./table.js";

const STATES = ["pending", "running", "completed", "failed", "cancelled"];

export const mount = (root) => new Table(root, {
  title: "Queues",
  name: "queues",
  heads: [head("Queue"), head("State"), head("Slots"), STATES.map((name) => head(name, "figure")), el("td")],
  none: "No queue has had a job yet.",
  read: async (signal) => (await get("queues", undefined, signal)).queues,
  key: (queue) => queue.name,
  row,
  wakes: ({ event }) => event === "state",
});

async function change(view, queue) {
  const path = `queues/${encodeURIComponent(queue.name)}/${queue.paused ? "resume" : "pause"}`;
  try {
    const now = await post(path);
    toast(now.paused ? `${outside(now.name, 60)} is paused: nothing of it starts, what runs goes on.` : `${outside(now.name, 60)} is open again.`);
  } catch (problem) {
    toast(advice(problem), "error");
  }
  view.reread();
}

function row(view) {
  let shown = null;
  const state = badge();
  const name = el("span");
  const waits = el("span", { class: "under" });
  const fill = el("span", { class: "fill" });
  const slots = el("span", { class: "under" });
  const links = STATES.map(() => el("a"));
  const act = button("", () => change(view, shown));
  const node = el("tr", {}, el("th", { scope: "row" }, name, waits), el("td", {}, state.node),
    el("td", { class: "c-slots" }, el("span", { class: "meter", "aria-hidden": "true", data: { tone: "running" } }, fill), slots),
    links.map((link, index) => el("td", { class: "figure", data: { label: STATES[index] } }, link)), el("td", { class: "c-tools" }, act));
  const refresh = (queue) => {
    shown = queue;
    put(name, outside(queue.name, 100));
    put(waits, queue.waitingSince ? `the first waits since ${at(queue.waitingSince)}, ${ago(queue.waitingSince)}` : "");
    state.refresh(queue.paused ? { tone: "paused", word: `paused since ${at(queue.pausedAt)}` } : { tone: "running", word: "open" });
    const { running } = queue.counts;
    fill.style.transform = `scaleX(${queue.concurrency ? Math.min(1, running / queue.concurrency) : 0})`;
    put(slots, queue.concurrency ? `${count(running)} of ${count(queue.concurrency)} busy` : "run elsewhere");
    links.forEach((link, index) => {
      link.href = listAddress(`${filter("state", STATES[index])} ${filter("queue", queue.name)}`);
      put(link, count(queue.counts[STATES[index]]));
    });
    put(act, queue.paused ? "Resume" : "Pause");
    act.setAttribute("aria-label", `${queue.paused ? "Resume" : "Pause"} ${outside(queue.name, 100)}`);
  };
  return { node, refresh };
}

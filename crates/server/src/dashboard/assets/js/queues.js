// The queues: how full, how busy, paused or not.

import { advice, get, post } from "./api.js";
import { badge, button, el, outside, put, show, throttled, toast } from "./dom.js";
import { at, count } from "./format.js";
import { live } from "./live.js";
import { filter, listAddress } from "./query.js";

const STATES = ["pending", "running", "completed", "failed", "cancelled"];

export const mount = (root) => new Queues(root);

class Queues {
  title = "Queues";
  keys = {};
  #rows = new Map();

  constructor(root) {
    this.note = el("p", { class: "note error", role: "alert", hidden: true });
    this.body = el("tbody");
    const head = (text, name) => el("th", { scope: "col", class: name, text });
    const heads = [head("Queue"), head("State"), head("Slots"), STATES.map((name) => head(name, "figure")), el("td")];
    this.table = el("table", { class: "queues", "aria-label": "Queues" }, el("thead", {}, el("tr", {}, heads)), this.body);
    root.append(el("h1", { text: "Queues" }), this.note, this.table);
    show(this.table, false);
    this.reread = throttled(() => this.#read(), 1000);
    this.stop = live.listen({ again: this.reread, event: (event) => event.event === "state" && this.reread() });
    this.reread();
  }

  update() {}

  close() {
    this.stop();
    this.reread.close();
  }

  async #read() {
    try {
      const { queues } = await get("queues");
      this.#lay(queues);
      show(this.table, true);
      show(this.note, false);
    } catch (problem) {
      put(this.note, outside(advice(problem), 400));
      show(this.note, true);
    }
  }

  #lay(queues) {
    const known = new Set(queues.map((queue) => queue.name));
    for (const [name, one] of this.#rows) {
      if (known.has(name)) continue;
      one.node.remove();
      this.#rows.delete(name);
    }
    for (const queue of queues) {
      if (!this.#rows.has(queue.name)) {
        const one = row(queue.name, (queue) => this.#change(queue));
        this.#rows.set(queue.name, one);
        this.body.append(one.node);
      }
      this.#rows.get(queue.name).refresh(queue);
    }
  }

  async #change(queue) {
    const path = `queues/${encodeURIComponent(queue.name)}/${queue.paused ? "resume" : "pause"}`;
    try {
      const now = await post(path);
      toast(now.paused ? `${outside(now.name, 60)} is paused: nothing of it starts, what runs goes on.` : `${outside(now.name, 60)} is open again.`);
    } catch (problem) {
      toast(advice(problem), "error");
    }
    this.reread();
  }
}

function row(name, change) {
  let shown = null;
  const state = badge();
  const fill = el("span", { class: "fill" });
  const slots = el("span", { class: "under" });
  const links = STATES.map((state) => el("a", { href: listAddress(`${filter("state", state)} ${filter("queue", name)}`) }));
  const act = button("", () => change(shown));
  const node = el("tr", {}, el("th", { scope: "row", text: outside(name, 100) }), el("td", {}, state.node),
    el("td", { class: "c-slots" }, el("span", { class: "meter", "aria-hidden": "true", data: { tone: "running" } }, fill), slots),
    links.map((link, index) => el("td", { class: "figure", data: { label: STATES[index] } }, link)), el("td", { class: "c-tools" }, act));
  const refresh = (queue) => {
    shown = queue;
    state.refresh(queue.paused ? { tone: "paused", word: `paused since ${at(queue.pausedAt)}` } : { tone: "running", word: "open" });
    const { running } = queue.counts;
    fill.style.transform = `scaleX(${queue.concurrency ? Math.min(1, running / queue.concurrency) : 0})`;
    put(slots, queue.concurrency ? `${count(running)} of ${count(queue.concurrency)} busy` : "run elsewhere");
    links.forEach((link, index) => put(link, count(queue.counts[STATES[index]])));
    put(act, queue.paused ? "Resume" : "Pause");
    act.setAttribute("aria-label", `${queue.paused ? "Resume" : "Pause"} ${outside(name, 100)}`);
  };
  return { node, refresh };
}

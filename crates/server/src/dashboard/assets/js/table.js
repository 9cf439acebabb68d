// A view that is one table, read whole and again when something happened. Invariant: a row keeps its element from reading to
// reading, with what is focused and opened in it.

import { advice } from "./api.js";
import { el, outside, put, show, throttled } from "./dom.js";
import { live } from "./live.js";

// A column's head; figures stand at the right.
export const head = (text, name) => el("th", { scope: "col", class: name, text });

export class Table {
  keys = {};
  #rows = new Map();
  #closing = [];
  #stopper = new AbortController();

  // `read(signal)` answers the things that are shown, `key(thing)` tells them apart, `row(view)` makes a row with `node` and
  // `refresh(thing)`. An event for which `wakes(event)` holds has the table read again, and so do `every` milliseconds.
  constructor(root, { title, name, heads, none, read, key, row, wakes, every }) {
    Object.assign(this, { title, read, key, row });
    this.note = el("p", { class: "note error", role: "alert", hidden: true });
    this.body = el("tbody");
    this.table = el("table", { class: name, "aria-label": title }, el("thead", {}, el("tr", {}, heads)), this.body);
    this.none = el("div", { class: "nothing" }, none);
    show(this.table, false);
    show(this.none, false);
    root.append(el("h1", { text: title }), this.note, this.table, this.none);
    this.reread = throttled(() => this.#read(), 1000);
    const stop = live.listen({ again: this.reread, event: (event) => wakes(event) && this.reread() });
    this.#closing.push(stop, this.reread.close, () => this.#stopper.abort());
    if (every) {
      const timer = setInterval(() => !document.hidden && live.state.name === "live" && this.reread(), every);
      this.#closing.push(() => clearInterval(timer));
    }
    this.reread();
  }

  update() {}

  close() {
    for (const act of this.#closing) act();
  }

  async #read() {
    try {
      this.#lay(await this.read(this.#stopper.signal));
      show(this.note, false);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      put(this.note, outside(advice(problem), 400));
      show(this.note, true);
    }
  }

  #lay(things) {
    const keys = things.map(this.key);
    const known = new Set(keys);
    for (const [key, one] of this.#rows) {
      if (known.has(key)) continue;
      one.node.remove();
      this.#rows.delete(key);
    }
    things.forEach((thing, index) => {
      const key = keys[index];
      if (!this.#rows.has(key)) this.#rows.set(key, this.row(this));
      const one = this.#rows.get(key);
      one.refresh(thing);
      if (this.body.children[index] !== one.node) this.body.insertBefore(one.node, this.body.children[index] ?? null);
    });
    show(this.table, things.length > 0);
    show(this.none, things.length === 0);
  }
}

// The items of a job as a grid of which only what is seen exists. Invariant: at most a few pages are kept, whatever the
// job has.

import { advice, get, jobPath } from "./api.js";
import { badge, button, el, outside, put, show, throttled } from "./dom.js";
import { at, count } from "./format.js";
import { isEnded } from "./row.js";
import { tree } from "./tree.js";
import { virtual } from "./virtual.js";

const PAGE = 500;
const KEPT = 12;
const HEIGHT = 28;

export const mount = (root, context) => new Items(root, context);

class Items {
  keys = { j: () => this.#move(1), k: () => this.#move(-1) };
  #failedOnly = false;
  #pages = new Map();
  // Where a page of the failed begins is known from the one before it.
  #starts = [null];
  #asked = new Set();
  #chosen = null;
  #closed = false;

  constructor(root, context) {
    this.context = context;
    this.#failedOnly = context.params.get("state") === "failed";
    this.#build(root);
    this.list = virtual(this.box, HEIGHT, (index, old) => this.#draw(index, old));
    this.reread = throttled(() => this.#read(), 1000);
    this.#drawHead();
  }

  update(params) {
    const wanted = params.get("state") === "failed";
    if (wanted === this.#failedOnly) return;
    this.#failedOnly = wanted;
    this.#pages = new Map();
    this.#starts = [null];
    this.#chosen = null;
    this.box.scrollTop = 0;
    show(this.detail, false);
    this.split.classList.remove("open");
    this.#drawHead();
  }

  jobChanged() {
    this.#drawHead();
    this.reread();
  }

  event() {}

  close() {
    this.#closed = true;
    this.reread.close();
    this.list.close();
  }

  #build(root) {
    const address = `#/${jobPath(this.context.id, "/items")}`;
    this.all = el("a", { href: address });
    this.failed = el("a", { href: `${address}?state=failed` });
    this.again = button("", () => this.context.retry(), { hidden: true }, "retry");
    this.note = el("p", { class: "note error", role: "alert", hidden: true });
    const names = ["#", "State", "Item", "Tries", "Changed", "What it says"];
    const head = el("div", { class: "grid-head", role: "row" }, names.map((text) => el("span", { role: "columnheader", text })));
    const keydown = (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      this.#move(by);
    };
    this.box = el("div", { class: "grid-box", tabindex: "0", role: "rowgroup", "aria-label": "Items", on: { keydown } });
    this.grid = el("div", { class: "grid", role: "table", "aria-label": "Items" }, el("div", { role: "rowgroup" }, head), this.box);
    this.none = el("p", { class: "nothing" });
    this.detail = el("section", { class: "detail", "aria-label": "Item", "aria-live": "polite", hidden: true });
    this.split = el("div", { class: "split" }, this.grid, this.detail);
    const shown = el("nav", { class: "tabs", "aria-label": "Items shown" }, this.all, this.failed);
    root.append(el("div", { class: "head" }, shown, this.again), this.note, this.split, this.none);
  }

  #total() {
    const { items } = this.context.job;
    return this.#failedOnly ? items.failed : items.total;
  }

  #item(index) {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  #draw(index, old) {
    const item = this.#item(index);
    if (!item) this.#ask(Math.floor(index / PAGE));
    const node = old ?? this.#blank();
    node.fill(item, index);
    return node;
  }

  #blank() {
    const state = badge();
    const cells = Array.from({ length: 5 }, () => el("span", { role: "cell" }));
    const [position, name, tries, changed, says] = cells;
    const node = el("div", { class: "grid-row", role: "row", on: { click: () => this.#choose(node.place) } },
      position, el("span", { role: "cell" }, state.node), name, tries, changed, says);
    node.fill = (item, index) => {
      if (node.item === item && node.place === index) return;
      Object.assign(node, { item, place: index });
      node.setAttribute("aria-rowindex", String(index + 2));
      node.classList.toggle("waiting", !item);
      node.classList.toggle("current", Boolean(item) && item.position === this.#chosen?.position);
      if (!item) return put(name, "…");
      put(position, count(item.position + 1));
      state.refresh({ tone: item.state, word: item.state });
      put(name, outside(item.name, 200));
      put(tries, item.attempts ? count(item.attempts) : "");
      put(changed, at(item.updatedAt));
      const result = item.result === undefined ? "" : JSON.stringify(item.result).slice(0, 300);
      put(says, outside(item.error ? item.error.message : result, 300));
      says.dataset.tone = item.error ? "failed" : "";
    };
    return node;
  }

  // Shows what an item says in full.
  #choose(index) {
    const item = this.#item(index);
    if (!item) return;
    this.#chosen = { index, position: item.position };
    const members = { ...(item.error && { error: item.error }), ...(item.result !== undefined && { result: item.result }) };
    const said = Object.keys(members).length ? tree(members) : el("p", { text: "It has given nothing yet." });
    this.detail.replaceChildren(el("h2", { text: outside(item.name, 300) }), said);
    show(this.detail, true);
    this.split.classList.add("open");
    for (const row of this.box.querySelectorAll(".grid-row")) row.classList.toggle("current", row.item === item);
    if (innerWidth < 1080) this.detail.scrollIntoView({ block: "nearest" });
  }

  #move(by) {
    const { list } = this;
    const wanted = this.#chosen ? this.#chosen.index + by : list.first();
    const index = Math.max(0, Math.min(this.#total() - 1, wanted));
    if (index < list.first() + 1 || index > list.last() - 2) list.to(index);
    this.#choose(index);
  }

  async #ask(page) {
    if (this.#asked.has(page) || this.#closed) return;
    this.#asked.add(page);
    try {
      await this.#load(page);
      show(this.note, false);
    } catch (problem) {
      put(this.note, outside(advice(problem), 400));
      show(this.note, true);
    } finally {
      this.#asked.delete(page);
    }
    this.list.refresh();
  }

  async #load(page) {
    if (!this.#failedOnly) return this.#keep(page, await this.#fetch(page * PAGE - 1));
    for (let known = this.#starts.length - 1; known <= page; known += 1) {
      const answer = await this.#fetch(this.#starts[known] ?? -1);
      this.#keep(known, answer);
      if (answer.nextAfter === undefined) return;
      this.#starts[known + 1] = answer.nextAfter;
    }
    if (!this.#pages.has(page)) this.#keep(page, await this.#fetch(this.#starts[page] ?? -1));
  }

  #fetch(after) {
    const params = { limit: String(PAGE) };
    if (after >= 0) params.after = String(after);
    if (this.#failedOnly) params.state = "failed";
    return get(jobPath(this.context.id, "/items"), params);
  }

  #keep(page, answer) {
    if (this.#closed) return;
    this.#pages.delete(page);
    this.#pages.set(page, answer.items);
    if (this.#pages.size > KEPT) this.#pages.delete(this.#pages.keys().next().value);
  }

  // Reads again what is seen; the rest is forgotten.
  async #read() {
    if (this.#closed || !this.#total()) return;
    const first = Math.floor(this.list.first() / PAGE);
    const last = Math.floor(Math.min(this.list.last(), this.#total() - 1) / PAGE);
    if (this.#failedOnly) this.#starts = this.#starts.slice(0, Math.max(1, first + 1));
    for (const page of [...this.#pages.keys()]) if (page < first || page > last) this.#pages.delete(page);
    for (let page = first; page <= last; page += 1) await this.#ask(page);
  }

  #drawHead() {
    const { items } = this.context.job;
    put(this.all, `All ${count(items.total)}`);
    put(this.failed, `Failed ${count(items.failed)}`);
    for (const [tab, on] of [[this.all, !this.#failedOnly], [this.failed, this.#failedOnly]]) {
      if (on) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    show(this.again, isEnded(this.context.job) && items.failed > 0);
    put(this.again.lastChild, `Retry ${count(items.failed)} failed`);
    const total = this.#total();
    this.grid.setAttribute("aria-rowcount", String(total + 1));
    show(this.grid, total > 0);
    show(this.none, total === 0);
    put(this.none, this.#failedOnly ? "No item has failed." : "This job has no items.");
    this.list.resize(total);
  }
}

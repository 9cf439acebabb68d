// The items of a job as a grid of which only what is seen exists. Invariant: at most a few pages are kept, whatever the
// job has.

import { advice, get, jobPath } from "./api.js";
import { badge, button, el, framed, outside, put, show, throttled } from "./dom.js";
import { at, count } from "./format.js";
import { tree } from "./tree.js";

const PAGE = 500;
const KEPT = 12;

// Rows of one height in a box of its own; `draw(index)` gives the node of a row that is seen.
export function virtual(box, height, draw) {
  const inside = el("div", { class: "tall", role: "presentation" });
  box.append(inside);
  let size = 0;
  let nodes = new Map();
  const refresh = framed(() => {
    inside.style.height = `${size * height}px`;
    const first = Math.max(0, Math.floor(box.scrollTop / height) - 8);
    const last = Math.min(size, Math.ceil((box.scrollTop + box.clientHeight) / height) + 8);
    const now = new Map();
    for (let index = first; index < last; index += 1) {
      const node = draw(index, nodes.get(index));
      node.style.top = `${index * height}px`;
      now.set(index, node);
      if (node.parentNode !== inside) inside.append(node);
    }
    const seen = new Set(now.values());
    for (const node of nodes.values()) if (!seen.has(node)) node.remove();
    nodes = now;
  });
  box.addEventListener("scroll", refresh, { passive: true });
  const watch = new ResizeObserver(refresh);
  watch.observe(box);
  return {
    refresh,
    resize(rows) {
      size = rows;
      refresh();
    },
    first: () => Math.floor(box.scrollTop / height),
    last: () => Math.ceil((box.scrollTop + box.clientHeight) / height),
    to(index) {
      inside.style.height = `${size * height}px`;
      box.scrollTop = Math.max(0, index * height - box.clientHeight / 3);
      refresh();
    },
    close: () => watch.disconnect(),
  };
}

export function mount(root, context) {
  const { id } = context;
  let failedOnly = context.params.get("state") === "failed";
  let pages = new Map();
  // Where a page of the failed begins is known from the one before it.
  let starts = [null];
  let asked = new Set();
  let chosen = null;
  let closed = false;

  const all = el("a", { href: `#/${jobPath(id, "/items")}` });
  const failed = el("a", { href: `#/${jobPath(id, "/items")}?state=failed` });
  const again = button("", () => context.retry(), { hidden: true }, "retry");
  const note = el("p", { class: "note error", role: "alert", hidden: true });
  const head = el("div", { class: "grid-head", role: "row" }, ["#", "State", "Item", "Tries", "Changed", "What it says"].map((text) => el("span", { role: "columnheader", text })));
  const box = el("div", { class: "grid-box", tabindex: "0", role: "rowgroup", "aria-label": "Items" });
  const grid = el("div", { class: "grid", role: "table", "aria-label": "Items" }, el("div", { role: "rowgroup" }, head), box);
  const none = el("p", { class: "nothing" });
  const detail = el("section", { class: "detail", "aria-label": "Item", "aria-live": "polite", hidden: true });
  const split = el("div", { class: "split" }, grid, detail);
  root.append(el("div", { class: "head" }, el("nav", { class: "tabs", "aria-label": "Items shown" }, all, failed), again), note, split, none);
  const list = virtual(box, 28, draw);

  const total = () => (failedOnly ? context.job.items.failed : context.job.items.total);

  function draw(index, old) {
    const item = pages.get(Math.floor(index / PAGE))?.[index % PAGE];
    if (!item) ask(Math.floor(index / PAGE));
    const node = old ?? blank();
    node.fill(item, index);
    return node;
  }

  function blank() {
    const state = badge();
    const cells = Array.from({ length: 5 }, () => el("span", { role: "cell" }));
    const [position, name, tries, changed, says] = cells;
    const node = el("div", { class: "grid-row", role: "row", on: { click: () => choose(node.place) } },
      position, el("span", { role: "cell" }, state.node), name, tries, changed, says);
    node.fill = (item, index) => {
      if (node.item === item && node.place === index) return;
      node.item = item;
      node.place = index;
      node.setAttribute("aria-rowindex", String(index + 2));
      node.classList.toggle("waiting", !item);
      node.classList.toggle("current", Boolean(item) && item.position === chosen?.position);
      if (!item) return put(name, "…");
      put(position, count(item.position + 1));
      state.refresh({ tone: item.state, word: item.state });
      put(name, outside(item.name, 200));
      put(tries, item.attempts ? count(item.attempts) : "");
      put(changed, at(item.updatedAt));
      put(says, outside(item.error ? item.error.message : item.result === undefined ? "" : JSON.stringify(item.result).slice(0, 300), 300));
      says.dataset.tone = item.error ? "failed" : "";
    };
    return node;
  }

  // Shows what an item says in full.
  function choose(index) {
    const item = pages.get(Math.floor(index / PAGE))?.[index % PAGE];
    if (!item) return;
    chosen = { index, position: item.position };
    const members = { ...(item.error && { error: item.error }), ...(item.result !== undefined && { result: item.result }) };
    detail.replaceChildren(el("h3", { text: outside(item.name, 300) }), Object.keys(members).length ? tree(members) : el("p", { text: "It has given nothing yet." }));
    show(detail, true);
    split.classList.add("open");
    for (const row of box.querySelectorAll(".grid-row")) row.classList.toggle("current", row.item === item);
    if (innerWidth < 1080) detail.scrollIntoView({ block: "nearest" });
  }

  function move(by) {
    const index = Math.max(0, Math.min(total() - 1, chosen ? chosen.index + by : list.first()));
    if (index < list.first() + 1 || index > list.last() - 2) list.to(index);
    choose(index);
  }

  box.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    move(by);
  });

  async function ask(page) {
    if (asked.has(page) || closed) return;
    asked.add(page);
    try {
      await load(page);
      show(note, false);
    } catch (problem) {
      put(note, advice(problem));
      show(note, true);
    } finally {
      asked.delete(page);
    }
    list.refresh();
  }

  async function load(page) {
    if (!failedOnly) return keep(page, await fetchAfter(page * PAGE - 1, PAGE));
    for (let known = starts.length - 1; known <= page; known += 1) {
      const answer = await fetchAfter(starts[known] ?? -1, PAGE);
      keep(known, answer);
      if (answer.nextAfter === undefined) return;
      starts[known + 1] = answer.nextAfter;
    }
    if (!pages.has(page)) keep(page, await fetchAfter(starts[page] ?? -1, PAGE));
  }

  function fetchAfter(after, limit) {
    const params = { limit: String(limit) };
    if (after >= 0) params.after = String(after);
    if (failedOnly) params.state = "failed";
    return get(jobPath(id, "/items"), params);
  }

  function keep(page, answer) {
    if (closed) return;
    pages.delete(page);
    pages.set(page, answer.items);
    if (pages.size > KEPT) pages.delete(pages.keys().next().value);
  }

  function drawHead() {
    const { items } = context.job;
    put(all, `All ${count(items.total)}`);
    put(failed, `Failed ${count(items.failed)}`);
    for (const [tab, on] of [[all, !failedOnly], [failed, failedOnly]]) {
      if (on) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    const ended = ["completed", "failed", "cancelled"].includes(context.job.state);
    show(again, ended && items.failed > 0);
    put(again.lastChild, `Retry ${count(items.failed)} failed`);
    grid.setAttribute("aria-rowcount", String(total() + 1));
    show(grid, total() > 0);
    show(none, total() === 0);
    put(none, failedOnly ? "No item has failed." : "This job has no items.");
    list.resize(total());
  }

  // Reads again what is seen; the rest is forgotten.
  const reread = throttled(async () => {
    if (closed || !total()) return;
    const first = Math.floor(list.first() / PAGE);
    const last = Math.floor(Math.min(list.last(), total() - 1) / PAGE);
    if (failedOnly) starts = starts.slice(0, Math.max(1, first + 1));
    for (const page of [...pages.keys()]) if (page < first || page > last) pages.delete(page);
    for (let page = first; page <= last; page += 1) await ask(page);
  }, 1000);

  drawHead();
  return {
    update(params) {
      const wanted = params.get("state") === "failed";
      if (wanted === failedOnly) return;
      failedOnly = wanted;
      pages = new Map();
      starts = [null];
      box.scrollTop = 0;
      chosen = null;
      show(detail, false);
      split.classList.remove("open");
      drawHead();
    },
    jobChanged() {
      drawHead();
      reread();
    },
    event: () => {},
    keys: { j: () => move(1), k: () => move(-1) },
    close() {
      closed = true;
      reread.close();
      list.close();
    },
  };
}

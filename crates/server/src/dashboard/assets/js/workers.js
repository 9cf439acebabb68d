// The workers: who holds which jobs, and when each was last heard.

import { get } from "./api.js";
import { badge, el, outside, put, show } from "./dom.js";
import { ago, at, count, plural } from "./format.js";
import { idLink } from "./row.js";
import { head, Table } from "./table.js";

// A heartbeat is no event: so often the table is read again.
const EVERY = 5_000;
// What a row shows before the rest is asked for.
const FEW = 3;

export const mount = (root) => new Table(root, {
  title: "Workers",
  name: "workers",
  heads: [head("Worker"), head("State"), head("Slots"), head("Holds"), head("Runs"), head("Last heard")],
  none: "No worker lives: nothing runs until one comes.",
  read: async (signal) => (await get("workers", undefined, signal)).workers,
  key: (worker) => worker.workerId,
  row,
  wakes: ({ event }) => event === "state",
  every: EVERY,
});

const isLate = (worker) => worker.place === "remote" && Boolean(worker.leaseEnd) && Date.parse(worker.leaseEnd) < Date.now();

function stands(worker) {
  if (isLate(worker)) return { tone: "warning", word: "lapsed" };
  return worker.holds ? { tone: "running", word: "busy" } : { tone: "pending", word: "idle" };
}

function heard(worker) {
  if (worker.place === "local") return ["in this server", worker.joinedAt ? `since ${at(worker.joinedAt)}` : ""];
  const lease = worker.leaseEnd && `${isLate(worker) ? "its lease ended" : "its lease ends"} ${ago(worker.leaseEnd)}`;
  return [worker.lastHeartbeat ? ago(worker.lastHeartbeat) : "not yet", lease ?? ""];
}

// Links or names: the first few, the others to be opened. They are made anew only when they changed.
function fold(make) {
  const first = el("ul", { class: "plain" });
  const rest = el("ul", { class: "plain" });
  const more = el("summary");
  const others = el("details", { class: "more" }, more, rest);
  let shown = "";
  const refresh = (all, left) => {
    const key = JSON.stringify([all, left]);
    if (key === shown) return;
    shown = key;
    first.replaceChildren(...all.slice(0, FEW).map((one) => el("li", {}, make(one))));
    rest.replaceChildren(...all.slice(FEW).map((one) => el("li", {}, make(one))));
    if (left) rest.append(el("li", { class: "quiet", text: `and ${count(left)} that are not listed` }));
    put(more, `${count(all.length - FEW + left)} more`);
    show(others, all.length > FEW);
  };
  return { node: [first, others], refresh };
}

function row() {
  const state = badge();
  const parts = { name: el("span", { class: "name" }), id: el("span", { class: "under id" }), fill: el("span", { class: "fill" }), slots: el("span", { class: "under" }), queues: el("span", { class: "under" }), heard: el("span"), lease: el("span", { class: "under" }), none: el("span", { class: "quiet", text: "nothing" }) };
  const jobs = fold(idLink);
  const kinds = fold((kind) => el("code", { text: outside(kind, 60) }));
  const node = el("tr", {}, el("th", { scope: "row" }, parts.name, parts.id), el("td", {}, state.node),
    el("td", { class: "c-slots" }, el("span", { class: "meter", "aria-hidden": "true", data: { tone: "running" } }, parts.fill), parts.slots, parts.queues),
    el("td", { class: "c-jobs", data: { label: "Holds" } }, parts.none, jobs.node), el("td", { class: "c-kinds", data: { label: "Runs" } }, kinds.node),
    el("td", { data: { label: "Last heard" } }, parts.heard, parts.lease));
  const refresh = (worker) => {
    const slots = Object.values(worker.queues).reduce((sum, number) => sum + number, 0);
    put(parts.name, outside(worker.name, 80));
    put(parts.id, outside(worker.workerId, 80));
    state.refresh(stands(worker));
    parts.fill.style.transform = `scaleX(${slots ? Math.min(1, worker.holds / slots) : 0})`;
    put(parts.slots, `${plural(worker.holds, "job")}, ${plural(slots, "slot")}`);
    put(parts.queues, outside(Object.entries(worker.queues).map(([name, number]) => `${name} ${number}`).join(", "), 200));
    show(parts.none, worker.jobs.length === 0);
    jobs.refresh(worker.jobs, Math.max(0, worker.holds - worker.jobs.length));
    kinds.refresh(worker.kinds.map((kind) => kind.name), 0);
    const [last, lease] = heard(worker);
    put(parts.heard, last);
    put(parts.lease, lease);
    parts.lease.classList.toggle("stalled", isLate(worker));
  };
  return { node, refresh };
}

// The list of jobs. Invariant: progress is patched into the rows that are shown; all else is read again, at most once a
// second, in one request that also brings the counts; rows move only under a reader who is at the top and holds nothing.

import { advice, get, jobPath, post } from "./api.js";
import { badge, button, dialog, el, framed, icon, outside, put, show, throttled, toast } from "./dom.js";
import { ago, at, count, duration, look, plural, progressText, rate, seconds, waits } from "./format.js";
import { live } from "./live.js";
import { filter, listAddress, only, parameters, replace, shows } from "./query.js";

const PAGE = 50;
const STATES = ["running", "pending", "completed", "failed", "cancelled"];
// Without progress for so long, a running job has stalled.
export const STALL = 60_000;

const ENDED = new Set(["completed", "failed", "cancelled"]);
export const isEnded = (job) => ENDED.has(job.state);
export const canRetry = (job) => isEnded(job) && (job.state !== "completed" || job.items.failed > 0);
export const canCancel = (job) => !isEnded(job) && !job.cancelRequested;

// A bar with the numbers beside it.
export function meter() {
  const fill = el("span", { class: "fill" });
  const node = el("span", { class: "meter", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  const refresh = (job) => {
    const { current, total, percentage } = job.progress;
    const exact = total ? Math.min(100, (current / total) * 100) : null;
    const known = exact !== null || job.state === "completed";
    const share = exact ?? (known ? 100 : 0);
    node.dataset.tone = look(job).tone;
    node.classList.toggle("unknown", !known && job.state === "running");
    fill.style.transform = `scaleX(${share / 100})`;
    if (known) node.setAttribute("aria-valuenow", String(percentage ?? Math.floor(share)));
    else node.removeAttribute("aria-valuenow");
  };
  return { node, refresh };
}

// Rate and time left, or since when nothing moved; of a running job alone.
export function pace(job, moved) {
  if (job.state !== "running") return { rate: "", left: "", stalled: false };
  // Without news nothing can be said to have stalled.
  const now = live.state.name === "live" ? Date.now() : live.state.since.getTime();
  if (now - moved > STALL) return { rate: "", left: `stalled since ${at(new Date(moved))}`, stalled: true };
  const { rate: speed, timeLeft, unit } = job.progress;
  return {
    rate: speed ? rate(speed, unit) : "",
    left: timeLeft === undefined || timeLeft === null ? "" : `${duration(Math.max(1, timeLeft))} left`,
    stalled: false,
  };
}

// What a job says about itself, in a line.
export function says(job) {
  if (job.state === "failed") return job.error ?? "failed";
  if (job.state === "completed" && job.items.failed > 0) return `${plural(job.items.failed, "item")} of ${count(job.items.total)} failed`;
  if (job.state === "pending" && job.error) return job.error;
  if (job.state === "pending") return waits(job);
  return job.state === "running" ? (job.progress.currentTask ?? "") : "";
}

// The two lines about time: what is left of a running job, when another one ended, was or will be.
function when(job, moved) {
  const { rate, left, stalled } = pace(job, moved);
  if (left) return [left, rate || `started ${ago(job.startedAt)}`, stalled];
  if (job.completedAt) {
    const took = job.startedAt ? `took ${duration(seconds(job.startedAt, job.completedAt))}` : "never started";
    return [`ended ${ago(job.completedAt)}`, took];
  }
  if (job.state === "pending" && job.runAt) return [`due ${ago(job.runAt)}`, `submitted ${ago(job.createdAt)}`];
  if (job.startedAt) return [`started ${ago(job.startedAt)}`, rate];
  return [`submitted ${ago(job.createdAt)}`, ""];
}

// An id of which the end is always seen: that is where ids differ that were made one after another.
export function idLink(id) {
  const text = outside(id, 200);
  return el("a", { class: "id", href: `#/${jobPath(id)}`, "aria-label": text, title: text }, el("span", { text: text.slice(0, -8) }), el("span", { text: text.slice(-8) }));
}

function row(job, act) {
  const state = badge();
  const bar = meter();
  const check = el("input", { type: "checkbox", "aria-label": `Select ${job.jobId}`, on: { change: (event) => act.select(job.jobId, event.target.checked) } });
  const open = idLink(job.jobId);
  const parts = {
    kind: el("span", { class: "kind" }), labels: el("span", { class: "labels" }),
    numbers: el("span"), percent: el("span", { class: "percent" }), says: el("span", { class: "says" }),
    when: el("span", { class: "left" }), took: el("span", { class: "took" }),
  };
  const cancel = button("", () => act.cancel([job.jobId]), { class: "tool", title: "Cancel", "aria-label": `Cancel ${job.jobId}` }, "failed");
  const retry = button("", () => act.retry([job.jobId]), { class: "tool", title: "Retry", "aria-label": `Retry ${job.jobId}` }, "retry");
  const node = el("tr", { data: { id: job.jobId } },
    el("td", { class: "c-check" }, check),
    el("td", { class: "c-state" }, state.node),
    el("th", { scope: "row", class: "c-job" }, open, el("span", { class: "under" }, parts.kind, parts.labels)),
    el("td", { class: "c-progress" }, el("span", { class: "line" }, parts.numbers, parts.percent), bar.node, parts.says),
    el("td", { class: "c-when" }, parts.when, parts.took),
    el("td", { class: "c-tools" }, cancel, retry));
  const one = { node, job, moved: Date.now(), check, refresh: null };
  one.refresh = () => {
    const { job } = one;
    state.refresh(look(job));
    bar.refresh(job);
    put(parts.kind, outside(job.kind, 60));
    put(parts.labels, outside(Object.entries(job.labels).map(([name, value]) => `${name}=${value}`).join("  "), 120));
    put(parts.numbers, progressText(job.progress));
    const percent = job.progress.percentage;
    put(parts.percent, percent === null || percent === undefined ? "" : `${percent} %`);
    put(parts.says, outside(says(job), 240));
    parts.says.dataset.tone = look(job).tone;
    const [first, second, stalled] = when(job, one.moved);
    put(parts.when, first);
    put(parts.took, second);
    parts.when.classList.toggle("stalled", Boolean(stalled));
    show(bar.node, job.state === "running" || Boolean(job.progress.current));
    show(cancel, canCancel(job));
    show(retry, canRetry(job));
  };
  one.refresh();
  return one;
}

// Newer progress of the same run: whether the job moved.
export function takeProgress(one, event) {
  if (event.revision < one.job.revision) return;
  const before = one.job.progress;
  if (event.progress.current !== before.current || event.progress.currentTask !== before.currentTask) one.moved = Date.now();
  one.job = { ...one.job, progress: event.progress, revision: event.revision };
}

export function startPage() {
  const command = (text, says) => el("li", {}, el("code", { text }), el("span", { text: says }));
  return el("section", { class: "start", "aria-labelledby": "start-title" },
    el("h2", { id: "start-title", text: "No jobs yet" }),
    el("p", { text: "Start the first one in a terminal. It appears here at once, and goes on when the terminal is closed." }),
    el("ol", { class: "commands" },
      command("longhaul run -- sh -c 'sleep 30; echo done'", "any program, with its log and its exit code"),
      command("longhaul run --progress-pattern '(\\d+)/(\\d+)' -- ./convert.sh", "with a bar, read from what the program prints"),
      command("waltodo retrieve mylist", "the blobs of a todo list, verified"),
      command("longhaul demo", "see a job go on after its server was killed")));
}

export function mount(root, params) {
  let q = "";
  let before = "";
  let pages = [];
  let next = null;
  let counts = null;
  let rows = [];
  let fresh = new Set();
  let chosen = new Set();
  let current = -1;
  let loads = null;
  let queued = new Set();

  const field = el("input", { type: "search", id: "filter", name: "q", autocomplete: "off", spellcheck: "false", placeholder: "state:failed kind:walrus.* label.team:blue", "aria-describedby": "filter-note" });
  // A browser would empty the field, and leave the filter as it is.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    field.value = q;
  });
  const note = el("p", { id: "filter-note", class: "note" });
  const form = el("form", { role: "search", class: "filter", on: { submit: (event) => { event.preventDefault(); submit(); } } },
    el("label", { for: "filter", class: "hidden", text: "Filter jobs" }), icon("search"), field, el("kbd", { text: "/", "aria-hidden": "true" }));
  const tabs = el("nav", { class: "tabs", "aria-label": "States" });
  const pill = button("", () => { fresh.clear(); go(""); scrollTo({ top: 0 }); load(); }, { class: "pill", hidden: true });
  const picked = el("span", { role: "status" });
  const selection = el("div", { class: "selection", hidden: true }, picked,
    button("Cancel", () => cancel([...chosen]), {}, "failed"), button("Retry", () => retry([...chosen]), {}, "retry"),
    button("Clear", () => { chosen.clear(); mark(); }, { class: "quiet" }));
  const all = el("input", { type: "checkbox", "aria-label": "Select all on this page", on: { change: () => { chosen = new Set(all.checked ? rows.map((one) => one.job.jobId) : []); mark(); } } });
  const body = el("tbody");
  const head = (name, label) => el("th", { scope: "col", class: name, text: label });
  const table = el("table", { class: "jobs", "aria-label": "Jobs" },
    el("thead", {}, el("tr", {}, el("td", { class: "c-check" }, all), head("c-state", "State"), head("c-job", "Job"), head("c-progress", "Progress"), head("c-when", "Time"), el("td", { class: "c-tools" }))), body);
  const nothing = el("div", { class: "nothing" });
  const newest = button("Newest", () => go(""), { class: "quiet" }, "first");
  const previous = button("Previous", () => go(pages.pop() ?? ""), {}, "previous");
  const further = button("Next", () => { pages.push(before); go(next); }, {}, "next");
  const pager = el("nav", { class: "pager", "aria-label": "Pages" }, newest, previous, further);
  root.append(el("h1", { class: "hidden", text: "Jobs" }), el("div", { class: "head" }, form, tabs), note, selection, pill, table, nothing, pager);

  const atTop = () => !before && scrollY < 60 && chosen.size === 0 && current < 0;
  const address = (cursor) => {
    const made = new URLSearchParams();
    if (q) made.set("q", q);
    if (cursor) made.set("before", cursor);
    const text = made.toString();
    return text ? `#/jobs?${text}` : "#/jobs";
  };
  const go = (cursor) => { location.hash = address(cursor ?? ""); };

  function submit() {
    const { words, unknown, params } = parameters(field.value);
    if (words.length === 1 && !unknown.length && ![...params].length) location.hash = `#/${jobPath(words[0])}`;
    else { pages = []; location.hash = listAddress(field.value.trim()); }
  }

  function drawTabs() {
    const state = only(q, "state");
    const entries = [["", "All", counts && STATES.reduce((sum, name) => sum + counts[name], 0)], ...STATES.map((name) => [name, name, counts?.[name]])];
    if (tabs.childElementCount !== entries.length) {
      tabs.replaceChildren(...entries.map(([name, word]) => el("a", { data: { tone: name || "all" } }, name && icon(name), el("span", { class: "word", text: word }), el("span", { class: "number" }))));
    }
    entries.forEach(([name, , number], index) => {
      const tab = tabs.children[index];
      tab.href = listAddress(name ? replace(q, "state", name) : replace(q, "state"));
      if (name === state) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
      put(tab.lastElementChild, number === undefined || number === null ? "" : count(number));
    });
  }

  function drawNote(problem) {
    const { unknown, words } = parameters(q);
    const said = [];
    if (problem) said.push(advice(problem));
    if (unknown.length) said.push(`There is no ${unknown.join(" ")} here. Use state:, kind:, queue: or label.NAME:.`);
    if (words.length) said.push("Words alone are not searched. Enter on a single job ID opens that job.");
    put(note, said.join(" "));
    note.classList.toggle("error", Boolean(problem));
    show(note, said.length > 0);
  }

  function mark() {
    const known = new Set(rows.map((one) => one.job.jobId));
    chosen = new Set([...chosen].filter((id) => known.has(id)));
    rows.forEach((one, index) => {
      one.check.checked = chosen.has(one.job.jobId);
      one.node.classList.toggle("current", index === current);
    });
    all.checked = rows.length > 0 && chosen.size === rows.length;
    all.indeterminate = chosen.size > 0 && !all.checked;
    show(selection, chosen.size > 0);
    put(picked, `${plural(chosen.size, "job")} selected`);
  }

  const act = {
    select(id, yes) {
      if (yes) chosen.add(id);
      else chosen.delete(id);
      mark();
    },
    cancel: (ids) => cancel(ids),
    retry: (ids) => retry(ids),
  };

  // Shows these jobs in this order; rows that stay are kept, with what is selected and focused in them.
  function lay(jobs) {
    const known = new Map(rows.map((one) => [one.job.jobId, one]));
    const held = rows[current]?.job.jobId;
    rows = jobs.map((job) => {
      const one = known.get(job.jobId);
      if (!one) return row(job, act);
      renew(one, job);
      return one;
    });
    const kept = new Set(rows.map((one) => one.node));
    for (const node of [...body.children]) if (!kept.has(node)) node.remove();
    rows.forEach((one, index) => {
      if (body.children[index] !== one.node) body.insertBefore(one.node, body.children[index] ?? null);
    });
    current = held ? rows.findIndex((one) => one.job.jobId === held) : -1;
    drawEmpty();
    mark();
  }

  function renew(one, job) {
    if (job.revision < one.job.revision) return;
    if (job.progress.current !== one.job.progress.current || job.state !== one.job.state) one.moved = Date.now();
    one.job = job;
    one.refresh();
  }

  function drawEmpty() {
    const none = rows.length === 0;
    const empty = none && !q && !before && counts && STATES.every((name) => counts[name] === 0);
    show(table, !none);
    show(nothing, none);
    show(pager, !empty && (Boolean(before) || Boolean(next)));
    show(form, !empty);
    show(tabs, !empty);
    if (!none) return;
    if (empty) nothing.replaceChildren(startPage());
    else nothing.replaceChildren(el("p", { text: before ? "No older jobs." : "No job matches this filter." }),
      el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" })));
  }

  // Reads the page; lays it out anew, or only patches the rows that are there.
  async function read(patch) {
    loads?.abort();
    loads = new AbortController();
    const { params } = parameters(q);
    params.set("limit", String(PAGE));
    if (before) params.set("cursor", before);
    root.setAttribute("aria-busy", "true");
    try {
      const page = await get("jobs", params, loads.signal);
      counts = page.counts;
      next = page.nextCursor ?? null;
      if (patch) await patchRows(page.jobs);
      else { fresh.clear(); lay(page.jobs); }
      drawNote(null);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      drawNote(problem);
      if (!patch && problem.code === "bad_request") { next = null; lay([]); }
    } finally {
      root.removeAttribute("aria-busy");
    }
    drawTabs();
    drawPill();
    previous.disabled = pages.length === 0;
    further.disabled = !next;
    newest.disabled = !before;
  }

  async function patchRows(jobs) {
    const found = new Map(jobs.map((job) => [job.jobId, job]));
    const missing = [];
    for (const one of rows) {
      const job = found.get(one.job.jobId);
      if (job) renew(one, job);
      else if (queued.has(one.job.jobId)) missing.push(one);
    }
    queued = new Set(missing.slice(4).map((one) => one.job.jobId));
    for (const one of missing.slice(0, 4)) {
      const job = await get(jobPath(one.job.jobId)).catch((problem) => problem);
      if (job.jobId) renew(one, job);
      else if (job.code === "not_found") one.node.classList.add("gone");
    }
  }

  const load = () => read(false);
  // After a change: by one request a second at most.
  const reread = throttled(() => read(!atTop()), 1000);

  function drawPill() {
    show(pill, fresh.size > 0 && !atTop());
    put(pill, fresh.size >= 999 ? "More than 999 new jobs" : plural(fresh.size, "new job"));
  }

  const dirty = new Set();
  const draw = framed(() => {
    for (const one of dirty) one.refresh();
    dirty.clear();
    drawPill();
  });

  const stop = live.listen({
    again: reread,
    event(event) {
      const one = rows.find((one) => one.job.jobId === event.jobId);
      if (event.event === "progress") {
        if (!one) return;
        takeProgress(one, event);
        dirty.add(one);
        draw();
      } else if (event.event !== "log") {
        if (one) queued.add(event.jobId);
        else if (event.event === "state" && event.state === "pending" && event.revision <= 1 && shows(q, event) && fresh.size < 999) fresh.add(event.jobId);
        reread();
      }
    },
  });
  // Times go on by themselves.
  const ticker = setInterval(() => { if (!document.hidden && live.state.name !== "ended") for (const one of rows) dirty.add(one); draw(); }, 5000);

  async function each(ids, path, done) {
    const outcomes = [];
    for (let from = 0; from < ids.length; from += 4) {
      const some = ids.slice(from, from + 4);
      outcomes.push(...(await Promise.all(some.map((id) => post(jobPath(id, path)).then(() => null, (problem) => problem)))));
    }
    const refused = outcomes.filter(Boolean);
    const well = ids.length - refused.length;
    if (well) toast(ids.length === 1 ? `${outside(ids[0], 60)}: ${done}.` : `${plural(well, "job")}: ${done}.`);
    if (refused.length) toast(`${refused.length > 1 ? `${count(refused.length)} refused. ` : ""}${advice(refused[0])}`, "error");
    reread();
  }

  async function cancel(ids) {
    const able = rows.filter((one) => ids.includes(one.job.jobId) && canCancel(one.job)).map((one) => one.job.jobId);
    if (!able.length) return toast("None of these can be cancelled: they have ended.");
    const text = able.length === 1 ? `Cancel ${outside(able[0], 60)}?` : `Cancel ${plural(able.length, "job")}?`;
    const answer = await dialog(text, el("p", { text: "What is finished is kept; a retry goes on from there." }), [{ label: "Keep running", value: "", kind: "quiet" }, { label: "Cancel", value: "yes", kind: "danger" }]);
    if (answer === "yes") await each(able, "/cancel", "being cancelled");
  }

  async function retry(ids) {
    const able = rows.filter((one) => ids.includes(one.job.jobId) && canRetry(one.job)).map((one) => one.job.jobId);
    if (!able.length) return toast("None of these can be retried: only ended jobs with something that failed are.");
    await each(able, "/retry", "tried again");
  }

  function move(by) {
    if (!rows.length) return;
    current = Math.max(0, Math.min(rows.length - 1, current + by));
    mark();
    rows[current].node.querySelector("a.id").focus();
    rows[current].node.scrollIntoView({ block: "nearest" });
  }

  const aimed = () => (chosen.size ? [...chosen] : current >= 0 ? [rows[current].job.jobId] : []);
  const view = {
    title: "Jobs",
    update(params) {
      const changed = (params.get("q") ?? "") !== q;
      q = params.get("q") ?? "";
      before = params.get("before") ?? "";
      // The browser's own way back.
      if (pages.at(-1) === before) pages.pop();
      if (changed || !before) pages = [];
      field.value = q;
      current = -1;
      chosen.clear();
      drawTabs();
      drawNote(null);
      return load();
    },
    keys: {
      "/": () => field.focus(),
      j: () => move(1),
      k: () => move(current < 0 ? 1 : -1),
      x: () => current >= 0 && act.select(rows[current].job.jobId, !chosen.has(rows[current].job.jobId)),
      Enter: () => current >= 0 && (location.hash = `#/${jobPath(rows[current].job.jobId)}`),
      c: () => cancel(aimed()),
      r: () => retry(aimed()),
      Escape: () => { chosen.clear(); current = -1; document.activeElement?.blur(); mark(); reread(); },
    },
    close() {
      stop();
      clearInterval(ticker);
      reread.close();
      loads?.abort();
    },
  };
  view.update(params);
  return view;
}

export const kindFilter = (kind, state) => [state && filter("state", state), filter("kind", kind)].filter(Boolean).join(" ");

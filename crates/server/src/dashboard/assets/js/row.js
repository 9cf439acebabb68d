// A job as a row of the list, and what rows and the page of a job share.

import { jobPath } from "./api.js";
import { badge, button, el, outside, put, show } from "./dom.js";
import { ago, at, count, duration, look, plural, progressText, rate, seconds, waits } from "./format.js";
import { live } from "./live.js";

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
  const left = timeLeft === undefined || timeLeft === null ? estimated(job, now) : `${duration(Math.max(1, timeLeft))} left`;
  return { rate: speed ? rate(speed, unit) : "", left, stalled: false };
}

// What jobs of its kind took of late says about a job that says nothing itself; past that time, nothing.
function estimated(job, now) {
  const left = job.estimatedCompletionAt ? (Date.parse(job.estimatedCompletionAt) - now) / 1000 : 0;
  return left > 0 ? `about ${duration(Math.max(1, left))} left` : "";
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

export function row(job, act) {
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

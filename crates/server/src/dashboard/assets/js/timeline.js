// What happened to a job so far, in order: its attempts, and what it waited for between them.

import { el, icon, outside } from "./dom.js";
import { at, duration, seconds, waits } from "./format.js";

const ENDS = {
  failed: ["failed", "failed"],
  cancelled: ["cancelled", "stopped by a cancel"],
  released: ["pending", "given back: its worker stopped"],
  rescued: ["warning", "lost: its worker died"],
};
const WAITS = { failed: "Waited before the next try", released: "Waited for a worker to go on", rescued: "Waited to be rescued", cancelled: "Waited for a retry" };

export function timeline(job, attempts) {
  const steps = [step("pending", "Submitted", job.createdAt)];
  // A retry by hand begins anew: the job then says when that run began.
  const begun = attempts[0]?.startedAt ?? job.startedAt;
  if (begun) {
    const first = seconds(job.createdAt, begun);
    if (first >= 1) steps.push(wait("Waited to be started", first));
  }
  // The attempt that completes a job is not kept apart: it began when the job did, or after the last one.
  let from = job.startedAt;
  attempts.forEach((attempt, index) => {
    const [tone, word] = ENDS[attempt.end] ?? ["pending", attempt.end];
    const before = attempts[index - 1];
    if (before) {
      const gap = seconds(before.endedAt, attempt.startedAt);
      if (gap >= 0.1) steps.push(wait(WAITS[before.end] ?? "Waited", gap));
    }
    const says = attempt.error ? [el("p", { class: "says", data: { tone } }, el("code", { text: outside(attempt.error.code, 80) }), ` ${outside(attempt.error.message, 1000)}`)] : [];
    steps.push(step(tone, `Run ${attempt.claim} ${word}`, attempt.startedAt, `after ${duration(seconds(attempt.startedAt, attempt.endedAt))}, on ${outside(attempt.worker, 60)}`, ...says));
    from = null;
  });
  const last = attempts.at(-1);
  if (last && job.startedAt > last.endedAt) {
    from = job.startedAt;
    steps.push(wait(WAITS[last.end] ?? "Waited", seconds(last.endedAt, from)));
  }
  steps.push(...now(job, from, last));
  return el("ol", { class: "timeline" }, steps);
}

// The last step: where the job stands.
function now(job, from, last) {
  if (job.state === "pending") {
    const due = job.runAt ? `due at ${at(job.runAt)}` : "";
    return [step("pending", waits(job), null, due)];
  }
  if (job.state === "running") return [step("running", job.cancelRequested ? "Runs until it notices the cancel" : "Runs now", from)];
  if (job.state === "failed" && last?.end === "failed") return [step("failed", "Failed for good", job.completedAt)];
  const failed = job.state === "completed" && job.items.failed > 0;
  const word = { completed: failed ? "Completed with failed items" : "Completed", failed: "Failed", cancelled: "Cancelled" }[job.state];
  const took = from && job.completedAt ? `after ${duration(seconds(from, job.completedAt))}` : "";
  return [step(failed ? "warning" : job.state, word, job.completedAt, took)];
}

function step(tone, title, time, under = "", ...more) {
  return el("li", { data: { tone } }, el("span", { class: "node" }, icon(tone)),
    el("div", {}, el("p", { class: "title" }, title, time ? el("time", { datetime: time, title: time, text: at(time) }) : null), under ? el("p", { class: "under", text: under }) : null, ...more));
}

function wait(text, spent) {
  return el("li", { class: "wait" }, el("span", { class: "node" }), el("p", { class: "under", text: `${text}: ${duration(spent)}` }));
}

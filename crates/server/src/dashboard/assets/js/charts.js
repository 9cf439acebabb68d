// What happened of late: throughput, success, how long runs took, how deep the queues were.

import { advice, get } from "./api.js";
import { chart } from "./chart.js";
import { el, outside, put, show, throttled } from "./dom.js";
import { at, count, duration, plural } from "./format.js";
import { live } from "./live.js";

const SPANS = [["hour", "Last hour"], ["day", "Last day"]];
// A step goes on without an event when nothing happens.
const EVERY = 30_000;
// Queues that have a line of their own, and the tones of the lines.
const LINES = ["running", "warning", "completed", "failed"];
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const percent = (share) => `${(share * 100).toFixed(share === 1 || share === 0 || share === 0.5 ? 0 : 1)} %`;
const figure = (value) => (Number.isInteger(value) ? count(value) : String(value));

export const mount = (root, params) => new Charts(root, params);

class Charts {
  title = "Charts";
  keys = {};
  #stopper = null;
  #closing = [];
  #answer = null;

  constructor(root, params) {
    this.charts = { ended: chart("Jobs that ended", "bars"), success: chart("Success rate", "lines"), took: chart("How long runs took", "bars"), depth: chart("Jobs that wait", "lines") };
    this.note = el("p", { class: "note" });
    this.tabs = el("nav", { class: "tabs", "aria-label": "Span" }, SPANS.map(([, text]) => el("a", { text })));
    this.kinds = el("select", { id: "kind", on: { change: () => { location.hash = this.#address(this.span, this.kinds.value); } } });
    this.box = el("div", { class: "charts" }, Object.values(this.charts).map(({ node }) => node));
    show(this.box, false);
    root.append(el("div", { class: "head" }, el("h1", { text: "Charts" }), this.tabs, el("label", { class: "picker", for: "kind" }, "Kind", this.kinds)), this.note, this.box);
    this.reread = throttled(() => this.#read(), 5000);
    const stop = live.listen({ again: this.reread, event: ({ event }) => event === "state" && this.reread() });
    const timer = setInterval(() => !document.hidden && live.state.name === "live" && this.reread(), EVERY);
    this.#closing.push(stop, this.reread.close, () => clearInterval(timer), () => this.#stopper?.abort(), ...Object.values(this.charts).map(({ close }) => close));
    this.update(params);
  }

  update(params) {
    this.span = params.get("span") === "day" ? "day" : "hour";
    this.kind = params.get("kind") ?? "";
    SPANS.forEach(([name], index) => {
      const tab = this.tabs.children[index];
      tab.href = this.#address(name, this.kind);
      if (name === this.span) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
    this.#read();
  }

  close() {
    for (const act of this.#closing) act();
  }

  #address(span, kind) {
    const made = new URLSearchParams({ ...(span !== "hour" && { span }), ...(kind && { kind }) }).toString();
    return made ? `#/charts?${made}` : "#/charts";
  }

  async #read() {
    this.#stopper?.abort();
    this.#stopper = new AbortController();
    try {
      this.#answer = await get("statistics", { span: this.span }, this.#stopper.signal);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      put(this.note, outside(advice(problem), 400));
      this.note.classList.add("error");
      return;
    }
    this.note.classList.remove("error");
    put(this.note, `Of the jobs of all owners, counted by this server since ${at(this.#answer.since)}.`);
    show(this.box, true);
    this.#draw(this.#answer);
  }

  #draw({ steps, bounds }) {
    this.#drawKinds(steps);
    const labels = steps.map((step) => clock.format(new Date(step.from)));
    const sums = steps.map((step) => sum(step, this.kind, bounds.length + 1));
    this.charts.ended.draw(ended(labels, sums));
    this.charts.success.draw(success(labels, sums));
    this.charts.took.draw(took(bounds, sums));
    this.charts.depth.draw(depth(labels, steps));
  }

  #drawKinds(steps) {
    const names = [...new Set([...steps.flatMap((step) => Object.keys(step.kinds)), ...(this.kind ? [this.kind] : [])])].sort();
    const key = JSON.stringify(names);
    if (key !== this.known) {
      this.known = key;
      this.kinds.replaceChildren(el("option", { value: "", text: "all kinds" }), ...names.map((name) => el("option", { value: name, text: outside(name, 60) })));
    }
    this.kinds.value = this.kind;
  }
}

// A step's numbers, of one kind or of all.
function sum(step, only, places) {
  const all = { completed: 0, failed: 0, cancelled: 0, retried: 0, took: new Array(places).fill(0) };
  for (const [name, kind] of Object.entries(step.kinds)) {
    if (only && name !== only) continue;
    for (const word of ["completed", "failed", "cancelled", "retried"]) all[word] += kind[word];
    kind.took.forEach((number, place) => { all.took[place] += number; });
  }
  return all;
}

const total = (sums, word) => sums.reduce((all, one) => all + one[word], 0);

function ended(labels, sums) {
  const words = ["completed", "failed", "cancelled"];
  const numbers = words.map((word) => total(sums, word));
  const all = numbers.reduce((a, b) => a + b, 0);
  const retried = total(sums, "retried");
  const said = all ? `${plural(all, "job")}: ${words.map((word, index) => `${count(numbers[index])} ${word}`).join(", ")}.` : "None in this time.";
  return { labels, series: words.map((word) => ({ name: word, tone: word, values: sums.map((one) => one[word]) })), format: figure, said: retried ? `${said} ${plural(retried, "failed run")} tried again.` : said };
}

function success(labels, sums) {
  const share = (good, bad) => (good + bad ? good / (good + bad) : null);
  const whole = share(total(sums, "completed"), total(sums, "failed"));
  const values = sums.map((one) => share(one.completed, one.failed));
  return { labels, series: [{ name: "completed", tone: "completed", values }], format: percent, most: 1, said: whole === null ? "Nothing completed or failed in this time." : `${percent(whole)} of the jobs that completed or failed.` };
}

function took(bounds, sums) {
  const values = bounds.map(() => 0).concat(0);
  for (const one of sums) one.took.forEach((number, place) => { values[place] += number; });
  const short = (seconds) => duration(seconds).replace(/(\d)\.0 /, "$1 ").replace(/ 0 \S+$/, "");
  const labels = [...bounds.map((bound) => `≤ ${short(bound)}`), `> ${short(bounds.at(-1))}`];
  const all = values.reduce((a, b) => a + b, 0);
  let seen = 0;
  const middle = values.findIndex((value) => (seen += value) * 2 >= all);
  return { labels, series: [{ name: "runs", tone: "running", values }], format: figure, said: all ? `${plural(all, "run")}, half of them ${labels[middle]}.` : "No run stopped in this time." };
}

// The queues that were the deepest, and how deep.
function depth(labels, steps) {
  const most = new Map();
  for (const step of steps) for (const [name, queue] of Object.entries(step.queues)) most.set(name, Math.max(most.get(name) ?? 0, queue.pending));
  const names = [...most.keys()].sort((a, b) => most.get(b) - most.get(a) || (a < b ? -1 : 1)).slice(0, LINES.length);
  const first = steps.findIndex((step) => Object.keys(step.queues).length);
  const series = names.map((name, index) => ({ name: outside(name, 40), tone: LINES[index], values: steps.map((step, at) => (first >= 0 && at >= first ? (step.queues[name]?.pending ?? 0) : null)) }));
  const more = most.size - names.length;
  return { labels, series, format: figure, said: names.length ? `By queue, at the deepest of each step: ${names.map((name) => `${outside(name, 40)} up to ${count(most.get(name))}`).join(", ")}${more > 0 ? `, and ${plural(more, "queue")} with fewer` : ""}.` : "No job waited or ran in this time." };
}

// The log of a job: its end, followed; any part of it, by number. Invariant: a bounded number of lines is kept, and only
// those that are seen are drawn.

import { advice, get, jobPath } from "./api.js";
import { button, el, outside, put, show, toast } from "./dom.js";
import { count, plural } from "./format.js";
import { virtual } from "./items.js";
import { whole } from "./tree.js";

const FIRST = 500;
const PAGE = 1000;
const KEPT = 20_000;
const LONG = 2000;
const LEVELS = ["debug", "info", "warn", "error"];
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export function mount(root, context) {
  const { id } = context;
  let lines = [];
  let seen = [];
  let following = true;
  let least = 0;
  let words = "";
  let aimed = Number(context.params.get("line")) || 0;
  let complete = false;
  let closed = false;
  let early = [];
  let ready = false;

  const field = el("input", { type: "search", id: "log-search", placeholder: "Search", spellcheck: "false", autocomplete: "off", on: { input: () => search() } });
  const level = el("select", { id: "log-level", on: { change: () => { least = level.selectedIndex; sift(); } } }, LEVELS.map((name, index) => el("option", { value: name, text: index ? `${name} and worse` : "all levels" })));
  const follow = button("Follow", () => setFollowing(!following), { class: "toggle" });
  const earlier = button("Earlier lines", () => loadEarlier(), { class: "quiet", hidden: true });
  const download = button("Download", () => save(), {}, "download");
  const found = el("span", { class: "quiet", role: "status" });
  const box = el("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Log", "aria-live": "off" });
  const none = el("p", { class: "nothing", hidden: true });
  root.append(el("div", { class: "head wrap" },
    el("label", { for: "log-search", class: "hidden", text: "Search the log" }), field,
    el("label", { for: "log-level", class: "hidden", text: "Level" }), level, follow, download, earlier, found), box, none);
  const list = virtual(box, 24, draw);

  box.addEventListener("scroll", () => {
    const end = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (following && !end && !box.dataset.jumping) setFollowing(false);
  }, { passive: true });

  function setFollowing(yes) {
    following = yes;
    follow.setAttribute("aria-pressed", String(yes));
    if (yes) toEnd();
  }

  function toEnd() {
    if (!following) return;
    box.dataset.jumping = "yes";
    requestAnimationFrame(() => {
      box.scrollTop = box.scrollHeight;
      list.refresh();
      requestAnimationFrame(() => delete box.dataset.jumping);
    });
  }

  function draw(index, old) {
    const line = seen[index];
    if (old?.line === line) return old;
    const dropped = seen === lines && index > 0 ? line.number - lines[index - 1].number - 1 : 0;
    const gap = dropped > 0 && el("span", { class: "gap", text: `${plural(dropped, "line")} dropped before this ` });
    const text = el("span", { class: "text" }, gap, marked(outside(line.text, LONG)));
    const row = el("div", { class: `log-row${line.number === aimed ? " current" : ""}`, data: { level: line.level } },
      el("a", { class: "number", href: `#/${jobPath(id, "/log")}?line=${line.number}`, "aria-label": `Line ${line.number}`, text: count(line.number) }),
      el("time", { datetime: line.time, title: line.time, text: time.format(new Date(line.time)) }),
      el("span", { class: "level", text: line.level }), text);
    if (line.text.length > LONG) text.append(button(`show all ${count(line.text.length)} characters`, () => whole(line.text, `Line ${count(line.number)}`), { class: "quiet small" }));
    row.line = line;
    return row;
  }

  // The text with what was searched for marked in it.
  function marked(text) {
    if (!words) return [text];
    const low = text.toLowerCase();
    const parts = [];
    let from = 0;
    for (let hit; parts.length < 40 && (hit = low.indexOf(words, from)) >= 0; from = hit + words.length) {
      parts.push(text.slice(from, hit), el("mark", { text: text.slice(hit, hit + words.length) }));
    }
    return [...parts, text.slice(from)];
  }

  const wanted = (line) => LEVELS.indexOf(line.level) >= least && (!words || line.text.toLowerCase().includes(words));

  function sift() {
    seen = least || words ? lines.filter(wanted) : lines;
    const sifted = seen !== lines;
    put(found, sifted ? `${plural(seen.length, "line")} of ${count(lines.length)}` : "");
    show(earlier, !complete && lines.length > 0 && lines[0].number > 1);
    show(none, ready && seen.length === 0);
    show(box, !ready || seen.length > 0);
    put(none, sifted ? "No line matches." : "The job has written no lines.");
    list.resize(seen.length);
    toEnd();
  }

  async function search() {
    words = field.value.trim().toLowerCase();
    if (words && !complete) await attempt(loadAll);
    sift();
  }

  async function attempt(act) {
    try {
      await act();
    } catch (problem) {
      toast(advice(problem), "error");
    }
  }

  const page = (params) => get(jobPath(id, "/log"), params);

  // The lines that the API still keeps, all of them.
  async function loadAll() {
    const all = [];
    let after = 0;
    do {
      const answer = await page({ after: String(after), limit: String(PAGE) });
      all.push(...answer.lines);
      after = answer.nextAfter;
    } while (after !== undefined && all.length < KEPT && !closed);
    if (closed) return;
    complete = true;
    lines = merge(all, lines);
  }

  // Two runs of lines as one; the newer run wins where both have a line.
  function merge(older, newer) {
    if (!newer.length) return older;
    if (!older.length) return newer;
    const from = newer[0].number;
    const last = newer.at(-1).number;
    return [...older.filter((line) => line.number < from), ...newer, ...older.filter((line) => line.number > last)].slice(-KEPT);
  }

  async function loadEarlier() {
    setFollowing(false);
    await attempt(async () => {
      const from = Math.max(0, lines[0].number - 1 - PAGE);
      const answer = await page({ after: String(from), limit: String(PAGE) });
      const older = answer.lines.filter((line) => line.number < lines[0].number);
      if (!older.length) complete = true;
      lines = [...older, ...lines];
      sift();
      list.to(older.length);
    });
  }

  async function load() {
    await attempt(async () => {
      if (aimed) {
        setFollowing(false);
        const answer = await page({ after: String(Math.max(0, aimed - 250)), limit: String(PAGE) });
        lines = answer.lines;
        // What follows is read too: live lines must join what is shown without a gap.
        let after = answer.nextAfter;
        while (after !== undefined && lines.length < KEPT && !closed) {
          const more = await page({ after: String(after), limit: String(PAGE) });
          lines = [...lines, ...more.lines];
          after = more.nextAfter;
        }
      } else if (lines.length) await catchUp();
      else lines = (await page({ tail: String(FIRST) })).lines;
    });
    if (closed) return;
    ready = true;
    take(early);
    early = [];
    sift();
    aim();
  }

  // What was written after the last line that is known.
  async function catchUp() {
    let after = lines.at(-1).number;
    do {
      const answer = await page({ after: String(after), limit: String(PAGE) });
      take(answer.lines);
      after = answer.nextAfter;
    } while (after !== undefined && !closed);
  }

  function aim() {
    if (!aimed) return;
    const index = seen.findIndex((line) => line.number >= aimed);
    if (index < 0 || seen[index].number !== aimed) toast(`Line ${count(aimed)} is not there: it was dropped, or not written yet.`);
    if (index >= 0) {
      setFollowing(false);
      requestAnimationFrame(() => list.to(index));
    }
  }

  function take(more) {
    const last = lines.at(-1)?.number ?? 0;
    const news = more.filter((line) => line.number > last);
    if (!news.length) return;
    lines.push(...news);
    if (lines.length > KEPT) {
      lines.splice(0, lines.length - KEPT);
      complete = false;
    }
  }

  async function save() {
    download.disabled = true;
    await attempt(async () => {
      const parts = [];
      let after = 0;
      do {
        const answer = await page({ after: String(after), limit: String(PAGE) });
        for (const line of answer.lines) parts.push(`${line.time} ${line.level.padEnd(5)} ${line.text}\n`);
        after = answer.nextAfter;
      } while (after !== undefined && !closed);
      saveAs(new Blob(parts, { type: "text/plain" }), `${id}.log`);
    });
    download.disabled = false;
  }

  setFollowing(!aimed);
  load();
  let waits = false;
  return {
    update(params) {
      aimed = Number(params.get("line")) || 0;
      const there = lines.some((line) => line.number === aimed);
      for (const row of box.querySelectorAll(".log-row")) row.classList.toggle("current", row.line.number === aimed);
      if (aimed && !there) load();
      else if (aimed && !box.querySelector(".log-row.current")) aim();
    },
    jobChanged() {},
    again: () => load(),
    event(event) {
      if (event.event !== "log") return;
      if (!ready) {
        if (early.length < KEPT) early.push(...event.lines);
        return;
      }
      take(event.lines);
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => { waits = false; if (!closed) sift(); });
    },
    keys: { "/": () => field.focus(), f: () => setFollowing(!following) },
    close() {
      closed = true;
      list.close();
    },
  };
}

// Hands a file to the browser's downloads.
export function saveAs(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

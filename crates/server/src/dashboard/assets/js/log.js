// The log of a job: its end, followed; any part of it, by number. Invariant: a bounded number of lines is kept, and only
// those that are seen are drawn.

import { advice, get, jobPath } from "./api.js";
import { button, el, framed, outside, put, show, toast } from "./dom.js";
import { count, plural } from "./format.js";
import { whole } from "./tree.js";
import { virtual } from "./virtual.js";

const FIRST = 500;
const PAGE = 1000;
const KEPT = 20_000;
const LONG = 2000;
const HEIGHT = 24;
const LEVELS = ["debug", "info", "warn", "error"];
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

export const mount = (root, context) => new Log(root, context);

class Log {
  keys = { "/": () => this.field.focus(), f: () => this.#follow(!this.#following) };
  // What is kept, and what of it is shown.
  #lines = [];
  #seen = this.#lines;
  // Lines that came while the first ones were read.
  #early = [];
  #ready = false;
  #complete = false;
  #following = true;
  #jumping = false;
  #least = 0;
  #words = "";
  #aimed = 0;
  #closed = false;

  constructor(root, context) {
    this.id = context.id;
    this.#aimed = Number(context.params.get("line")) || 0;
    this.#build(root);
    this.list = virtual(this.box, HEIGHT, (index, old) => this.#draw(index, old));
    this.sift = framed(() => !this.#closed && this.#sift());
    this.#follow(!this.#aimed);
    this.#load();
  }

  update(params) {
    this.#aimed = Number(params.get("line")) || 0;
    if (!this.#aimed) return;
    for (const row of this.box.querySelectorAll(".log-row")) row.classList.toggle("current", row.line.number === this.#aimed);
    if (!this.#lines.some((line) => line.number === this.#aimed)) this.#load();
    else if (!this.box.querySelector(".log-row.current")) this.#aim();
  }

  jobChanged() {}

  // Some lines were missed.
  again() {
    this.#load();
  }

  event(event) {
    if (event.event !== "log") return;
    if (this.#ready) this.#take(event.lines);
    else if (this.#early.length < KEPT) this.#early.push(...event.lines);
    this.sift();
  }

  close() {
    this.#closed = true;
    this.list.close();
  }

  #build(root) {
    const searched = () => this.#search();
    this.field = el("input", { type: "search", id: "log-search", placeholder: "Search", spellcheck: "false", autocomplete: "off", on: { input: searched } });
    const levels = LEVELS.map((name, index) => el("option", { value: name, text: index ? `${name} and worse` : "all levels" }));
    const chosen = (event) => {
      this.#least = event.target.selectedIndex;
      this.#sift();
    };
    const level = el("select", { id: "log-level", on: { change: chosen } }, levels);
    this.follower = button("Follow", () => this.#follow(!this.#following), { class: "toggle" });
    this.earlier = button("Earlier lines", () => this.#loadEarlier(), { class: "quiet", hidden: true });
    this.download = button("Download", () => this.#save(), {}, "download");
    this.found = el("span", { class: "quiet", role: "status" });
    this.box = el("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Log", "aria-live": "off" });
    this.none = el("p", { class: "nothing", hidden: true });
    const label = (name, text) => el("label", { for: name, class: "hidden", text });
    root.append(el("div", { class: "head wrap" }, label("log-search", "Search the log"), this.field, label("log-level", "Level"), level,
      this.follower, this.download, this.earlier, this.found), this.box, this.none);
    // Whoever scrolls up reads, and is not pulled to the end.
    const scrolled = () => {
      const end = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < HEIGHT;
      if (this.#following && !end && !this.#jumping) this.#follow(false);
    };
    this.box.addEventListener("scroll", scrolled, { passive: true });
  }

  // --- what is shown

  #follow(yes) {
    this.#following = yes;
    this.follower.setAttribute("aria-pressed", String(yes));
    if (yes) this.#toEnd();
  }

  #toEnd() {
    if (!this.#following) return;
    this.#jumping = true;
    requestAnimationFrame(() => {
      this.box.scrollTop = this.box.scrollHeight;
      this.list.refresh();
      requestAnimationFrame(() => {
        this.#jumping = false;
      });
    });
  }

  #aim() {
    if (!this.#aimed) return;
    const index = this.#seen.findIndex((line) => line.number >= this.#aimed);
    if (this.#seen[index]?.number !== this.#aimed) toast(`Line ${count(this.#aimed)} is not there: it was dropped, or not written yet.`);
    if (index < 0) return;
    this.#follow(false);
    requestAnimationFrame(() => this.list.to(index));
  }

  #sift() {
    const sifts = this.#least > 0 || this.#words !== "";
    const wanted = (line) => LEVELS.indexOf(line.level) >= this.#least && (!this.#words || line.text.toLowerCase().includes(this.#words));
    this.#seen = sifts ? this.#lines.filter(wanted) : this.#lines;
    const none = this.#ready && this.#seen.length === 0;
    put(this.found, sifts ? `${plural(this.#seen.length, "line")} of ${count(this.#lines.length)}` : "");
    put(this.none, sifts ? "No line matches." : "The job has written no lines.");
    show(this.none, none);
    show(this.box, !none);
    show(this.earlier, !this.#complete && this.#lines.length > 0 && this.#lines[0].number > 1);
    this.list.resize(this.#seen.length);
    this.#toEnd();
  }

  #draw(index, old) {
    const line = this.#seen[index];
    if (old?.line === line && old.words === this.#words) return old;
    const dropped = this.#seen === this.#lines && index > 0 ? line.number - this.#lines[index - 1].number - 1 : 0;
    const gap = dropped > 0 && el("span", { class: "gap", text: `${plural(dropped, "line")} dropped before this ` });
    const text = el("span", { class: "text" }, gap, this.#marked(outside(line.text, LONG)));
    if (line.text.length > LONG) {
      const open = () => whole(line.text, `Line ${count(line.number)}`);
      text.append(button(`show all ${count(line.text.length)} characters`, open, { class: "quiet small" }));
    }
    const address = `#/${jobPath(this.id, "/log")}?line=${line.number}`;
    const row = el("div", { class: `log-row${line.number === this.#aimed ? " current" : ""}`, data: { level: line.level } },
      el("a", { class: "number", href: address, "aria-label": `Line ${line.number}`, text: count(line.number) }),
      el("time", { datetime: line.time, title: line.time, text: time.format(new Date(line.time)) }),
      el("span", { class: "level", text: line.level }), text);
    return Object.assign(row, { line, words: this.#words });
  }

  // The text with what was searched for marked in it.
  #marked(text) {
    const words = this.#words;
    if (!words) return [text];
    const low = text.toLowerCase();
    const parts = [];
    let from = 0;
    for (let hit; parts.length < 40 && (hit = low.indexOf(words, from)) >= 0; from = hit + words.length) {
      parts.push(text.slice(from, hit), el("mark", { text: text.slice(hit, hit + words.length) }));
    }
    return [...parts, text.slice(from)];
  }

  // --- what is read

  #page(params) {
    return get(jobPath(this.id, "/log"), params);
  }

  async #attempt(act) {
    try {
      await act();
    } catch (problem) {
      toast(advice(problem), "error");
    }
  }

  // Every line after `after`, in pages; `take` answers whether to go on.
  async #readOn(after, take) {
    let from = after;
    while (from !== undefined && !this.#closed) {
      const answer = await this.#page({ after: String(from), limit: String(PAGE) });
      from = take(answer.lines) === false ? undefined : answer.nextAfter;
    }
  }

  async #load() {
    await this.#attempt(async () => {
      const lines = this.#lines;
      if (this.#aimed && !lines.some((line) => line.number === this.#aimed)) {
        this.#lines = [];
        // What follows is read too: live lines must join what is shown without a gap.
        await this.#readOn(Math.max(0, this.#aimed - PAGE / 4), (more) => this.#take(more));
      } else if (lines.length) await this.#readOn(lines.at(-1).number, (more) => this.#take(more));
      else this.#lines = (await this.#page({ tail: String(FIRST) })).lines;
    });
    if (this.#closed) return;
    const first = !this.#ready;
    this.#ready = true;
    this.#take(this.#early);
    this.#early = [];
    this.#sift();
    if (first || this.#aimed) this.#aim();
  }

  // Adds new lines to the end.
  #take(more) {
    const last = this.#lines.at(-1)?.number ?? 0;
    for (const line of more) if (line.number > last) this.#lines.push(line);
    if (this.#lines.length <= KEPT) return;
    this.#lines.splice(0, this.#lines.length - KEPT);
    this.#complete = false;
  }

  async #loadEarlier() {
    this.#follow(false);
    await this.#attempt(async () => {
      const first = this.#lines[0].number;
      const answer = await this.#page({ after: String(Math.max(0, first - 1 - PAGE)), limit: String(PAGE) });
      const older = answer.lines.filter((line) => line.number < first);
      if (!older.length) this.#complete = true;
      this.#lines = [...older, ...this.#lines];
      this.#sift();
      this.list.to(older.length);
    });
  }

  // A search is over all lines that the server keeps.
  async #search() {
    const words = this.field.value.trim().toLowerCase();
    if (words && !this.#complete) {
      await this.#attempt(async () => {
        const all = [];
        await this.#readOn(0, (lines) => all.push(...lines) < KEPT);
        const last = all.at(-1)?.number ?? 0;
        this.#lines = [...all, ...this.#lines.filter((line) => line.number > last)];
        this.#complete = true;
      });
    }
    // Another letter may have been typed meanwhile.
    this.#words = this.field.value.trim().toLowerCase();
    this.#sift();
  }

  async #save() {
    this.download.disabled = true;
    await this.#attempt(async () => {
      const parts = [];
      await this.#readOn(0, (lines) => {
        for (const line of lines) parts.push(`${line.time} ${line.level.padEnd(5)} ${line.text}\n`);
      });
      saveAs(new Blob(parts, { type: "text/plain" }), `${this.id}.log`);
    });
    this.download.disabled = false;
  }
}

// Hands a file to the browser's downloads.
export function saveAs(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

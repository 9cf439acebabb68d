// Numbers, times and texts as people read them.

const LOCALE = "en-GB";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric" });

// Control characters, direction marks and isolates, line separators and invisible marks.
const DECEIVING = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

// A text in which nothing deceives, of at most `most` characters.
export function escape(text, most = 2000) {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(DECEIVING, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

// The same over several lines: line ends and tabs are kept.
export const escapeLines = (text, most) =>
  text.length > most
    ? `${escapeLines(text.slice(0, most), most)}…`
    : text.replace(DECEIVING, (c) => (c === "\n" || c === "\t" ? c : `\\u{${c.codePointAt(0).toString(16)}}`));

// A value as JSON to be read and edited: what could deceive is escaped as JSON has it.
export const json = (value) =>
  JSON.stringify(value, null, 2).replace(DECEIVING, (c) => (c === "\n" ? c : `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`));

export const count = (number) => whole.format(number);

export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(number) {
  let unit = 0;
  let value = number;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export const amount = (number, unit) => (unit === "bytes" ? bytes(number) : count(number));

export function rate(number, unit) {
  if (unit === "bytes") return `${bytes(number)}/s`;
  if (number >= 10) return `${count(number)}/s`;
  if (number >= 0.1) return `${number.toFixed(1)}/s`;
  return `${(number * 60).toFixed(1)}/min`;
}

// Seconds, in the two largest units.
export function duration(seconds) {
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

// One unit: for what changes all the time.
export function roughly(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

export function ago(time, now = Date.now()) {
  const seconds = (now - Date.parse(time)) / 1000;
  if (seconds < 0) return `in ${roughly(-seconds)}`;
  return seconds < 2 ? "just now" : `${roughly(seconds)} ago`;
}

// A time of today as its time, of another day with its date.
export function at(time) {
  const date = time instanceof Date ? time : new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

export const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

// How a job's state is shown: a tone, which has a colour and a picture, and a word.
export function look(job) {
  if (job.state === "completed" && job.items.failed > 0) return { tone: "warning", word: "completed" };
  if (job.state === "running" && job.cancelRequested) return { tone: "cancelled", word: "cancelling" };
  if (job.state === "pending" && job.reason && job.reason !== "new") return { tone: "pending", word: job.reason };
  return { tone: job.state, word: job.state };
}

const REASONS = {
  new: "Waits for a free slot", held: "Waits until somebody starts it", scheduled: "Waits for its time", retry: "Waits for the next try",
  check: "Looks again later", released: "Waits for a slot, to go on where it was", rescued: "Waits for a slot, to go on where it was",
};

// What a pending job waits for.
export function waits(job) {
  if (job.waitingFor === "resume") return `Waits until its queue ${escape(job.queue, 60)} is resumed`;
  return REASONS[job.reason] ?? "Waits";
}

// Where a job stands, in a sentence.
export function stands(job) {
  if (job.state === "running") return job.progress.currentTask ?? "";
  if (job.state === "failed") return job.error ?? "Failed.";
  if (job.state === "completed") return job.items.failed ? `Completed, but ${plural(job.items.failed, "item")} of ${count(job.items.total)} failed.` : "Completed.";
  if (job.state === "cancelled") return "Cancelled.";
  const due = job.runAt ? `, due at ${at(job.runAt)}` : "";
  return `${waits(job)}${due}${job.error ? `: ${job.error}` : "."}`;
}

// How far a job is, in one line.
export function progressText(progress) {
  const { current, total, unit } = progress;
  const name = unit && unit !== "bytes" ? ` ${escape(unit, 24)}` : "";
  if (total === null || total === undefined) return current ? `${amount(current, unit)}${name}` : "";
  return `${amount(current, unit)} of ${amount(total, unit)}${name}`;
}

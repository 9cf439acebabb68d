// Live events over one stream. Events are hints and the job is the truth: after a gap whoever listens is told to read
// again. Invariant: whatever the rate, nothing is gathered here; each event is handed on and forgotten.

import { send, session } from "./api.js";

// Three heartbeats of the server.
const QUIET = 45_000;
const LONGEST = 30_000;
// A message that is longer is no message of ours.
const MOST = 16 << 20;

const listeners = new Set();
const watchers = new Set();
let state = { name: "connecting", since: new Date() };
let stopper = null;
let failures = 0;
let timer = 0;
let heard = 0;

export const live = {
  get state() {
    return state;
  },
  // `listener` has `event(event)`, and `again()`: some events were missed. Answers with what ends it.
  listen(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  watch(act) {
    watchers.add(act);
    act(state);
  },
  start() {
    failures = 0;
    connect();
  },
  toggle() {
    if (state.name === "paused") live.start();
    else pause();
  },
  // The session is gone: what is shown stays, and is marked.
  end() {
    close();
    change("ended");
  },
};

function change(name) {
  if (state.name === name) return;
  // Since when nothing new has come: an end that is noticed while reconnecting began with that.
  const since = state.name === "reconnecting" && name === "ended" ? state.since : new Date();
  state = { name, since };
  for (const act of watchers) act(state);
}

function close() {
  clearTimeout(timer);
  stopper?.abort();
  stopper = null;
}

function pause() {
  close();
  change("paused");
}

async function connect() {
  close();
  const own = new AbortController();
  stopper = own;
  try {
    const response = await send("GET", "events", { signal: own.signal });
    failures = 0;
    change("live");
    for (const listener of listeners) listener.again();
    await read(response.body, own);
    if (stopper === own) retry();
  } catch (error) {
    if (stopper !== own) return;
    if (error.status === 401) live.end();
    else retry();
  }
}

function retry() {
  close();
  change("reconnecting");
  failures += 1;
  // Half fixed, half random: pages that lost one server do not come back as one.
  const most = Math.min(LONGEST, 500 * 2 ** Math.min(failures, 6));
  timer = setTimeout(connect, most / 2 + (Math.random() * most) / 2);
}

async function read(body, own) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  heard = Date.now();
  const watchdog = setInterval(() => Date.now() - heard > QUIET && own === stopper && retry(), 5000);
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard = Date.now();
      rest += value;
      let from = 0;
      for (let end; (end = rest.indexOf("\n\n", from)) >= 0; from = end + 2) take(rest.slice(from, end));
      rest = rest.slice(from);
      if (rest.length > MOST) throw new Error("a message without an end");
    }
  } finally {
    clearInterval(watchdog);
    reader.cancel().catch(() => {});
  }
}

function take(message) {
  let name = "";
  let data = "";
  for (const line of message.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (name === "missed") for (const listener of listeners) listener.again();
  else if (data) {
    const event = JSON.parse(data);
    for (const listener of listeners) listener.event(event);
  }
}

// The page comes back from a machine's sleep: the stream may be dead without knowing.
addEventListener("online", () => session.token && state.name === "reconnecting" && live.start());

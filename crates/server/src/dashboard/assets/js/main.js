// The page: its frame, its addresses, its session. Invariant: a view is mounted once for its address and closed before the
// next; without a session nothing is asked of the server but whether it needs one.

import { advice, borrowed, get, onAdopted, redeem, send, session } from "./api.js";
import * as charts from "./charts.js";
import { button, el, icon, outside, put, show, toast } from "./dom.js";
import * as failures from "./failures.js";
import { at } from "./format.js";
import * as job from "./job.js";
import * as jobs from "./jobs.js";
import { help, listen } from "./keys.js";
import { live } from "./live.js";
import * as queues from "./queues.js";
import * as schedules from "./schedules.js";
import * as workers from "./workers.js";

const NAV = [["jobs", "Jobs"], ["failures", "Failures"], ["queues", "Queues"], ["workers", "Workers"], ["schedules", "Schedules"], ["charts", "Charts"]];
const main = document.getElementById("main");
const bar = document.getElementById("bar");
let view = null;
let shown = "";
let open = false;

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { parts, params: new URLSearchParams(query ?? "") };
}

function follow() {
  const { parts: [name = "", id = "", part = ""], params } = route();
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.dataset.name === (name || "jobs")) {
      link.setAttribute("aria-current", "page");
      // Where the row of links is wider than the page.
      link.parentElement.scrollLeft = link.offsetLeft - 60;
    } else link.removeAttribute("aria-current");
  }
  const place = id ? `${name}/${id}` : name;
  if (view && place === shown) view.update(params, part);
  else {
    view?.close();
    main.replaceChildren();
    shown = place;
    view = mount(name, id, part, params);
    scrollTo({ top: 0 });
  }
  document.title = view?.title ? `${view.title} · Longhaul` : "Longhaul";
}

function mount(name, id, part, params) {
  if (name === "" || (name === "jobs" && !id)) return jobs.mount(main, params);
  if (name === "jobs") return job.mount(main, id, part, params);
  if (name === "failures") return failures.mount(main);
  if (name === "queues") return queues.mount(main);
  if (name === "workers") return workers.mount(main);
  if (name === "charts") return charts.mount(main, params);
  if (name === "schedules") return schedules.mount(main);
  main.append(el("div", { class: "nothing" }, el("h1", { text: "Nothing is here" }), el("p", {}, el("a", { href: "#/jobs", text: "Show all jobs" }))));
  return { title: "Not found", keys: {}, update() {}, close() {} };
}

// The sign that says whether what is shown is of this moment.
function sign() {
  const first = el("span", { class: "first" });
  const word = el("span");
  const node = button("", () => live.toggle(), { class: "live" });
  node.replaceChildren(el("span", { class: "dot", "aria-hidden": "true" }), el("span", {}, first, word));
  live.watch(({ name, since }) => {
    node.dataset.state = name;
    const words = { connecting: "connecting", live: "Live", paused: `Paused at ${at(since)}`, reconnecting: `stale since ${at(since)}`, ended: `Stale since ${at(since)}` };
    // Left out where there is little room.
    put(first, name === "reconnecting" ? "Reconnecting, " : "");
    put(word, words[name]);
    node.title = `${words[name]}. ${name === "paused" ? "Resume" : "Pause"} live updates: p`;
    node.setAttribute("aria-pressed", String(name === "paused"));
    node.disabled = name === "ended";
    document.body.classList.toggle("stale", name === "ended" || name === "reconnecting");
  });
  return node;
}

function theme() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  return button("", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem("longhaul.theme", root.dataset.theme);
    } catch {
      // It holds until the page is left.
    }
  }, { class: "tool", title: "Light or dark", "aria-label": "Light or dark theme" }, "theme");
}

function frame() {
  const links = NAV.map(([name, word]) => el("a", { href: `#/${name}`, data: { name }, text: word }));
  const top = document.getElementById("top");
  const mark = el("a", { class: "mark", href: "#/jobs", "aria-label": "Longhaul" }, el("span", { class: "logo", "aria-hidden": "true" }), el("span", { class: "name", text: "Longhaul" }));
  top.replaceChildren(mark, el("nav", { "aria-label": "Main" }, links), el("div", { class: "right" }, sign(), theme(),
    button("", help, { class: "tool", title: "Keys (?)", "aria-label": "Keyboard help" }, "help"),
    session.token ? button("Sign out", signOut, { class: "quiet small signout" }) : null));
}

async function signOut() {
  await send("DELETE", "dashboard/sessions").catch(() => {});
  live.end();
  session.end();
  location.hash = "";
  location.reload();
}

function tokenForm(act) {
  const field = el("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true });
  return el("form", { class: "token", on: { submit: (event) => { event.preventDefault(); act(field.value.trim()); } } },
    el("label", { for: "token", text: "or show a token" }), field, el("button", { type: "submit", text: "Open" }));
}

// The page for whoever has no session yet.
function welcome(problem) {
  const said = el("p", { class: "note error", role: "alert", text: problem ? outside(problem, 400) : "" });
  show(said, Boolean(problem));
  const open = async (token) => {
    session.set(token);
    try {
      await get("server");
      start();
    } catch (error) {
      session.set(null);
      put(said, error.status === 401 ? "This token opens nothing here. It is in the file token of the server's data folder." : advice(error));
      show(said, true);
    }
  };
  document.getElementById("top").replaceChildren();
  main.replaceChildren(el("section", { class: "welcome", "aria-labelledby": "welcome-title" },
    el("span", { class: "logo", "aria-hidden": "true" }), el("h1", { id: "welcome-title", text: "Longhaul" }),
    el("p", { text: "Open the dashboard from a terminal on the machine of the server:" }),
    el("pre", {}, el("code", { text: "longhaul dashboard" })),
    el("p", { class: "quiet", text: "It prints a link that works once, within a minute." }), said, tokenForm(open)));
  document.title = "Longhaul";
}

function start() {
  if (open) return;
  open = true;
  bar.replaceChildren();
  frame();
  follow();
  live.start();
}

// The session ended under the page: what is shown stays, marked as old, until there is another one.
function ended() {
  if (!open || bar.childElementCount) return;
  live.end();
  bar.replaceChildren(el("div", { class: "ended" }, icon("warning"),
    el("p", {}, el("strong", { text: "Your session has ended. " }), `What you see is from ${at(live.state.since)}. Run `, el("code", { text: "longhaul dashboard" }), " and open its link, here or in another tab."),
    tokenForm((token) => adopt(token))));
}

async function adopt(token) {
  const old = session.token;
  session.set(token);
  try {
    await get("server");
  } catch (error) {
    session.set(old);
    if (bar.childElementCount) toast(advice(error), "error");
    return;
  }
  bar.replaceChildren();
  if (open) live.start();
  else start();
}

// A link's code is used and forgotten at once: it is in no history.
async function fromLink() {
  const code = /^#link=([0-9a-zA-Z_-]+)$/.exec(location.hash)?.[1];
  if (!code) return null;
  history.replaceState(null, "", `${location.pathname}#/jobs`);
  try {
    await redeem(code);
    return { token: session.token };
  } catch (problem) {
    return { problem };
  }
}

async function boot() {
  const linked = await fromLink();
  if (!session.token) {
    const token = await borrowed();
    if (token) session.set(token);
  }
  try {
    // Where access is open, no token is needed.
    await get("server");
    start();
    if (linked?.problem) toast(linked.problem.message, "error");
  } catch (problem) {
    if (problem.status === 401) {
      const expired = Boolean(session.token);
      session.set(null);
      const text = linked?.problem?.message ?? (expired ? "Your session has ended." : "");
      welcome(text);
    } else welcome(advice(problem));
  }
}

session.onRefused(ended);
onAdopted((token) => { if (!open || live.state.name === "ended") adopt(token); });
addEventListener("hashchange", async () => {
  const linked = await fromLink();
  if (linked?.token) {
    bar.replaceChildren();
    if (open) live.start();
    else start();
  } else if (linked) toast(linked.problem.message, "error");
  if (open) follow();
});
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
listen(() => view, {
  p: () => live.toggle(),
  "?": help,
  "g j": () => { location.hash = "#/jobs"; },
  "g f": () => { location.hash = "#/failures"; },
  "g q": () => { location.hash = "#/queues"; },
  "g w": () => { location.hash = "#/workers"; },
  "g s": () => { location.hash = "#/schedules"; },
  "g c": () => { location.hash = "#/charts"; },
});
boot();

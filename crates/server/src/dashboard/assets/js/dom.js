// Elements, made by hand. Invariant: text from jobs reaches the page as text alone, escaped; nothing is parsed as HTML.

import { escape } from "./format.js";

// Makes an element. `props`: `class`, `text`, `on` (events), `data`; a property that the element has, else an attribute.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (value === true) node.setAttribute(name, "");
    else node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Text from outside: what could deceive is shown as its code.
export const outside = (text, most) => escape(String(text ?? ""), most);

// Sets a node's text when it differs: an unchanged text costs no layout.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

const PATHS = {
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2l2.2 1.6",
  running: "M5 3.2v9.6L12.6 8z",
  completed: "M3 8.6l3.2 3.2L13 4.6",
  warning: "M8 2.6L14 13H2zM8 6.6v3M8 11.2v.3",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M3.5 8h9",
  paused: "M5.5 3.5v9M10.5 3.5v9",
  retry: "M12.9 6.2A5.2 5.2 0 1 0 13.2 9M13.2 3v3.4H9.8",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4M10.2 10.2l3.3 3.3",
  edit: "M3 13l.6-2.8 7.6-7.6 2.2 2.2-7.6 7.6zM9.6 4.2l2.2 2.2",
  download: "M8 2.5v8M4.8 7.6L8 10.8l3.2-3.2M3 13.5h10",
  theme: "M8 2.5a5.5 5.5 0 1 0 5.5 5.5A4.4 4.4 0 0 1 8 2.5z",
  help: "M6 6.2a2 2 0 1 1 2.8 1.9c-.5.2-.8.6-.8 1.1v.5M8 12v.3",
  next: "M6 3.5L10.5 8 6 12.5",
  previous: "M10 3.5L5.5 8l4.5 4.5",
  first: "M11.5 3.5L7 8l4.5 4.5M4.5 3.5v9",
  link: "M6.8 9.2l2.4-2.4M7.2 4.8l1-1a2.8 2.8 0 0 1 4 4l-1 1M8.8 11.2l-1 1a2.8 2.8 0 0 1-4-4l1-1",
};

// A part of a drawing.
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A drawing beside a word; it says nothing by itself.
export const icon = (name) => svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, svg("path", { d: PATHS[name] ?? "" }));

export function button(label, act, props = {}, picture) {
  return el("button", { type: "button", ...props, on: { click: act } }, picture && icon(picture), label);
}

// A state as a picture and a word; `refresh` changes both.
export function badge() {
  const word = el("span");
  const node = el("span", { class: "badge" }, word);
  let shown = "";
  const refresh = (look) => {
    const key = `${look.tone} ${look.word}`;
    if (key === shown) return;
    shown = key;
    node.dataset.tone = look.tone;
    node.replaceChildren(icon(look.tone), word);
    word.textContent = look.word;
  };
  return { node, refresh };
}

// Says something in passing.
export function toast(text, tone = "info") {
  const home = document.getElementById("toasts");
  const node = el("div", { class: "toast", data: { tone } }, el("p", { text: outside(text, 600) }));
  node.append(button("Dismiss", () => node.remove(), { class: "quiet" }));
  home.append(node);
  while (home.childElementCount > 4) home.firstElementChild.remove();
  setTimeout(() => node.remove(), tone === "error" ? 20_000 : 6_000);
}

// A dialog; answers with the value of the button that closed it, or "".
export function dialog(title, content, buttons, wide = false) {
  return new Promise((resolve) => {
    const heading = el("h2", { text: title, id: "dialog-title" });
    const form = el("form", { method: "dialog" }, heading, content);
    const row = el("div", { class: "buttons" });
    for (const { label, value, kind } of buttons) {
      row.append(el("button", { type: "submit", value, class: kind, text: label, formnovalidate: value === "" }));
    }
    form.append(row);
    const node = el("dialog", { "aria-labelledby": "dialog-title", class: wide ? "wide" : "" }, form);
    node.addEventListener("close", () => {
      node.remove();
      resolve(node.returnValue);
    });
    node.addEventListener("click", (event) => event.target === node && node.close(""));
    document.body.append(node);
    node.showModal();
  });
}

// Runs `act` at most once an animation frame, however often it is asked for.
export function framed(act) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      act();
    });
  };
}

// Runs `act` (async) now, or when the last run and `pause` are over; any number of asks become one run.
export function throttled(act, pause) {
  let busy = false;
  let again = false;
  let closed = false;
  const run = async () => {
    busy = true;
    again = false;
    try {
      await act();
    } finally {
      setTimeout(() => {
        busy = false;
        if (again && !closed) run();
      }, pause);
    }
  };
  const ask = () => {
    if (closed) return;
    if (busy) again = true;
    else run();
  };
  ask.close = () => {
    closed = true;
  };
  return ask;
}

// JSON as a tree that opens. Invariant: what is closed is not built, so that a megabyte costs what is looked at.

import { button, dialog, el, toast } from "./dom.js";
import { count, escape, escapeLines, plural } from "./format.js";

// Children that are shown at a time, and characters of a text before it is cut.
const SOME = 200;
const LONG = 400;

export function tree(value, label = "") {
  return el("div", { class: "tree" }, branch(label, value, true), copy(value));
}

function copy(value) {
  const act = async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(value, null, 2));
      toast("Copied.");
    } catch {
      toast("The browser does not let this page write to the clipboard.", "error");
    }
  };
  return button("Copy JSON", act, { class: "quiet small" });
}

function branch(name, value, open) {
  const key = name === "" ? null : el("span", { class: "key", text: `${escape(String(name), 200)}: ` });
  if (value === null || typeof value !== "object") return el("div", { class: "leaf" }, key, leaf(value));
  const entries = Array.isArray(value) ? value : Object.entries(value);
  const size = entries.length;
  const about = Array.isArray(value) ? `[${plural(size, "value")}]` : `{${plural(size, "member")}}`;
  if (!size) return el("div", { class: "leaf" }, key, el("span", { class: "about", text: Array.isArray(value) ? "[]" : "{}" }));
  const inside = el("div", { class: "inside" });
  const node = el("details", {}, el("summary", {}, key, el("span", { class: "about", text: about })), inside);
  const pairs = (from) => entries.slice(from, from + SOME).map((entry, index) => (Array.isArray(value) ? [from + index, entry] : entry));
  const fill = (from) => {
    inside.append(...pairs(from).map(([name, member]) => branch(name, member, size <= 20 && from === 0 && isSmall(member))));
    const left = size - from - SOME;
    if (left <= 0) return;
    const more = button(`Show ${count(Math.min(left, SOME))} more of ${count(left)}`, () => { more.remove(); fill(from + SOME); }, { class: "quiet small" });
    inside.append(more);
  };
  const build = () => !inside.childElementCount && fill(0);
  node.addEventListener("toggle", () => node.open && build());
  if (open) {
    build();
    node.open = true;
  }
  return node;
}

const isSmall = (value) => value !== null && typeof value === "object" && Object.keys(value).length <= 6;

function leaf(value) {
  if (typeof value !== "string") return el("span", { class: "plain", text: String(value) });
  const node = el("span", { class: "string", text: `"${escape(value, LONG)}"` });
  if (value.length <= LONG) return node;
  return el("span", {}, node, button(`Show all ${count(value.length)} characters`, () => whole(value), { class: "quiet small" }));
}

// A long text by itself; what no screen can hold is cut.
export function whole(text, title = "The whole text") {
  return dialog(title, el("pre", { class: "whole", tabindex: "0", text: escapeLines(text, 1 << 20) }), [{ label: "Close", value: "", kind: "quiet" }], true);
}

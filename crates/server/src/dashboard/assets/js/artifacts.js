// The files that a job made. Invariant: of a file only pictures, JSON and plain text are shown, from memory and under a
// type of this list's own; HTML and SVG never are.

import { advice, get, jobPath, send } from "./api.js";
import { button, dialog, el, outside, show, toast } from "./dom.js";
import { at, bytes, escapeLines, plural } from "./format.js";
import { saveAs } from "./log.js";
import { tree } from "./tree.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"]);
// Bytes that are shown of a text and of a picture, and that a tab can take to save.
const TEXT = 1 << 20;
const PICTURE = 32 << 20;
const FILE = 1 << 30;

const media = (file) => file.contentType.split(";")[0].trim().toLowerCase();

// How a file may be shown: "picture", "json", "text", or "" when it may not.
export function showable(file) {
  const type = media(file);
  if (PICTURES.has(type)) return file.size <= PICTURE ? "picture" : "";
  if (type === "application/json" || type.endsWith("+json")) return file.size <= TEXT ? "json" : "text";
  const named = ["application/x-ndjson", "application/xml", "application/yaml", "application/toml"].includes(type);
  return (type.startsWith("text/") && type !== "text/html") || named ? "text" : "";
}

export function mount(root, context) {
  const { id } = context;
  const body = el("tbody");
  const head = (text, name) => el("th", { scope: "col", class: name, text });
  const table = el("table", { class: "files", "aria-label": "Files" }, el("thead", {}, el("tr", {}, head("Name"), head("Type"), head("Size", "figure"), head("SHA-256"), head("Stored"), el("td"))), body);
  const none = el("p", { class: "nothing", hidden: true });
  root.append(table, none);
  const path = (file) => jobPath(id, `/artifacts/${file.name.split("/").map(encodeURIComponent).join("/")}`);

  async function attempt(act) {
    try {
      await act();
    } catch (problem) {
      toast(advice(problem), "error");
    }
  }

  const save = (file) => attempt(async () => {
    if (file.size > FILE) return toast(`${bytes(file.size)} are too many for a browser's tab: use curl with a token, as docs/api.md shows.`, "error");
    const response = await send("GET", path(file));
    // Never a type that the browser would open as a page of this site.
    saveAs(new Blob([await response.blob()], { type: "application/octet-stream" }), file.name.split("/").at(-1));
  });

  const open = (file) => attempt(async () => {
    const response = await send("GET", path(file));
    const kind = showable(file);
    let content;
    let address;
    if (kind === "picture") {
      address = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: media(file) }));
      content = el("img", { src: address, alt: outside(file.name, 200) });
    } else {
      const text = await start(response);
      content = kind === "json" ? json(text) : plain(text, file);
    }
    const answer = await dialog(outside(file.name, 200), el("div", { class: "preview" }, content), [{ label: "Download", value: "save" }, { label: "Close", value: "", kind: "quiet" }], true);
    if (address) URL.revokeObjectURL(address);
    if (answer === "save") await save(file);
  });

  function row(file) {
    const name = outside(file.name, 200);
    const kind = showable(file);
    const page = ["text/html", "image/svg+xml", "application/xhtml+xml"].includes(media(file));
    return el("tr", {},
      el("th", { scope: "row", text: name }),
      el("td", { text: outside(file.contentType, 60) }),
      el("td", { class: "figure", text: bytes(file.size) }),
      el("td", {}, el("code", { title: file.sha256, text: file.sha256.slice(0, 12) })),
      el("td", {}, el("time", { datetime: file.createdAt, text: at(file.createdAt) })),
      el("td", { class: "c-tools" },
        kind ? button("Preview", () => open(file), { "aria-label": `Preview ${name}` }) : el("span", { class: "quiet", text: page ? "could hold scripts: not shown" : "no preview" }),
        button("Download", () => save(file), { "aria-label": `Download ${name}` }, "download")));
  }

  const load = () => attempt(async () => {
    const { artifacts } = await get(jobPath(id, "/artifacts"));
    body.replaceChildren(...artifacts.map(row));
    show(table, artifacts.length > 0);
    show(none, artifacts.length === 0);
    none.textContent = "This job has stored no files.";
    context.say("files", artifacts.length);
  });

  load();
  return { update() {}, jobChanged: () => load(), event() {}, keys: {}, close() {} };
}

// The beginning of a text, without reading the rest.
async function start(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    text += decoder.decode(value, { stream: true });
    if (size > TEXT) {
      reader.cancel().catch(() => {});
      return text;
    }
  }
}

function json(text) {
  try {
    return tree(JSON.parse(text));
  } catch {
    return plain(text, null);
  }
}

function plain(text, file) {
  const cut = file && file.size > TEXT;
  return el("div", {}, cut ? el("p", { class: "note", text: `The first ${bytes(TEXT)} of ${bytes(file.size)}, ${plural(text.split("\n").length, "line")}.` }) : null,
    el("pre", { class: "whole", tabindex: "0", text: escapeLines(text, TEXT) }));
}

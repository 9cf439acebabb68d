// Drawings of numbers: bars that stand on each other, or lines. Invariant: what a drawing shows can be read too, as a sentence
// beside it and as a table; colour alone tells nothing apart.

import { el, show, svg } from "./dom.js";

const HEIGHT = 190;
const EDGE = { left: 46, right: 6, top: 8, bottom: 22 };
// Room for a label under a step.
const LABEL = 62;

// The next round number: 1, 2 or 5 with noughts.
function round(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1e-9)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= number * 0.999999);
}

// A chart with its caption. `draw` takes `labels` (of the steps), `series` (each `name`, `tone`, `values` with null for none),
// `said` (the numbers in a sentence), `format`, and `most` when the scale has an end of its own.
export function chart(title, kind) {
  const id = `chart-${title.replace(/\W/g, "-").toLowerCase()}`;
  const said = el("p", { class: "under" });
  const legend = el("p", { class: "legend", "aria-hidden": "true" });
  const drawing = svg("svg", { class: "chart", role: "img", "aria-labelledby": id });
  const body = el("table", {});
  const numbers = el("details", { class: "more numbers" }, el("summary", { text: "as a table" }), el("div", { class: "whole", tabindex: "0" }, body));
  const node = el("section", { class: "figure-box", "aria-labelledby": id }, el("h2", { id, text: title }), said, drawing, legend, numbers);
  let shown = null;
  const paint = () => shown && drawing.isConnected && drawing.replaceChildren(...picture(shown, kind, drawing.clientWidth));
  // The table is made when somebody opens it.
  numbers.addEventListener("toggle", () => fill(body, numbers.open ? shown : null));
  const watcher = new ResizeObserver(paint);
  watcher.observe(drawing);
  const draw = (data) => {
    shown = data;
    said.textContent = data.said;
    legend.replaceChildren(...data.series.map(({ name, tone }) => el("span", { data: { tone } }, el("i", { class: kind }), name)));
    show(legend, data.series.length > 1);
    fill(body, numbers.open ? data : null);
    paint();
  };
  return { node, draw, close: () => watcher.disconnect() };
}

function fill(table, data) {
  if (!data) return table.replaceChildren();
  const head = [el("td"), ...data.series.map(({ name }) => el("th", { scope: "col", text: name }))];
  const rows = data.labels.map((label, index) => {
    const values = data.series.map(({ values }) => values[index]);
    return values.some(Boolean) && el("tr", {}, el("th", { scope: "row", text: label }), values.map((value) => el("td", { class: "figure", text: value === null ? "" : data.format(value) })));
  });
  table.replaceChildren(el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows.filter(Boolean)));
  return table;
}

function picture(data, kind, width) {
  const { labels, series } = data;
  const heights = labels.map((_, index) => {
    const values = series.map(({ values }) => values[index] ?? 0);
    return kind === "bars" ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values);
  });
  const top = data.most ?? round(Math.max(1, ...heights));
  const plot = { width: Math.max(40, width - EDGE.left - EDGE.right), height: HEIGHT - EDGE.top - EDGE.bottom };
  const step = plot.width / labels.length;
  const x = (index) => EDGE.left + index * step;
  const y = (value) => EDGE.top + plot.height * (1 - value / top);
  const drawn = kind === "bars" ? bars(series, labels.length, { x, y, step }) : series.map((one) => line(one, { x, y, step }));
  return [...scale(data, top, width, y), ...under(labels, { x, step }), ...drawn, ...titles(data, { x, step, height: plot.height })];
}

function scale({ format, most }, top, width, y) {
  // There is no half a job.
  const ticks = most || Number.isInteger(top / 2) ? [0, top / 2, top] : [0, top];
  return ticks.flatMap((value) => [
    svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
    svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)),
  ]);
}

function under(labels, { x, step }) {
  const each = Math.max(1, Math.ceil(LABEL / step));
  const last = labels.length - 1;
  // Counted from the end: there is now.
  const places = labels.map((_, index) => index).filter((index) => (last - index) % each === 0 && x(index) + step / 2 > EDGE.left + 14);
  return places.map((index) => {
    const end = x(index) + step / 2 + LABEL / 2 > x(labels.length);
    return svg("text", { x: end ? x(labels.length) : x(index) + step / 2, y: HEIGHT - 5, "text-anchor": end ? "end" : "middle" }, labels[index]);
  });
}

function bars(series, length, { x, y, step }) {
  const width = Math.max(1, step * 0.78);
  const drawn = [];
  for (let index = 0; index < length; index += 1) {
    let from = 0;
    for (const { tone, values } of series) {
      const value = values[index];
      if (!value) continue;
      const height = Math.max(1, y(from) - y(from + value));
      drawn.push(svg("rect", { class: "bar", "data-tone": tone, x: x(index) + (step - width) / 2, y: y(from) - height, width, height }));
      from += value;
    }
  }
  return drawn;
}

// A line with gaps where nothing is known, and a dot where it has one point alone.
function line({ tone, values }, { x, y, step }) {
  let path = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const begins = index === 0 || values[index - 1] === null;
    const at = `${(x(index) + step / 2).toFixed(1)} ${y(value).toFixed(1)}`;
    path += begins ? `M${at}h.01` : `L${at}`;
  });
  return svg("path", { class: "line", "data-tone": tone, d: path });
}

function titles({ labels, series, format }, { x, step, height }) {
  return labels.map((label, index) => {
    const said = series.filter(({ values }) => values[index] !== null).map(({ name, values }) => `${format(values[index])} ${name}`);
    const area = svg("rect", { class: "over", x: x(index), y: EDGE.top, width: step, height });
    area.append(svg("title", {}, `${label}: ${said.join(", ") || "nothing"}`));
    return area;
  });
}

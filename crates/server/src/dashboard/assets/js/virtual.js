// Long lists of which only what is seen exists.

import { el, framed } from "./dom.js";

// Rows of one height in a box of its own; `draw(index)` gives the node of a row that is seen.
export function virtual(box, height, draw) {
  const inside = el("div", { class: "tall", role: "presentation" });
  box.append(inside);
  let size = 0;
  let nodes = new Map();
  const refresh = framed(() => {
    inside.style.height = `${size * height}px`;
    const first = Math.max(0, Math.floor(box.scrollTop / height) - 8);
    const last = Math.min(size, Math.ceil((box.scrollTop + box.clientHeight) / height) + 8);
    const now = new Map();
    for (let index = first; index < last; index += 1) {
      const node = draw(index, nodes.get(index));
      node.style.top = `${index * height}px`;
      now.set(index, node);
      if (node.parentNode !== inside) inside.append(node);
    }
    const seen = new Set(now.values());
    for (const node of nodes.values()) if (!seen.has(node)) node.remove();
    nodes = now;
  });
  box.addEventListener("scroll", refresh, { passive: true });
  const watch = new ResizeObserver(refresh);
  watch.observe(box);
  return {
    refresh,
    resize(rows) {
      size = rows;
      refresh();
    },
    first: () => Math.floor(box.scrollTop / height),
    last: () => Math.ceil((box.scrollTop + box.clientHeight) / height),
    to(index) {
      inside.style.height = `${size * height}px`;
      box.scrollTop = Math.max(0, index * height - box.clientHeight / 3);
      refresh();
    },
    close: () => watch.disconnect(),
  };
}

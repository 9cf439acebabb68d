// The keyboard. A view says which keys it has; the rest works everywhere.

import { dialog, el } from "./dom.js";

const HELP = [
  ["/", "Filter, or search the log"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open the row"],
  ["x", "Select the row"],
  ["c", "Cancel"],
  ["r", "Retry"],
  ["e", "Edit and retry (on a job)"],
  ["f", "Follow the log"],
  ["1 – 4", "Parts of a job: overview, items, log, files"],
  ["g j · g f · g q", "Jobs, failures, queues"],
  ["g w · g s · g c", "Workers, schedules, charts"],
  ["p", "Pause and resume live updates"],
  ["?", "This help"],
  ["Esc", "Close, clear, leave a field"],
];

let open = false;

export async function help() {
  if (open) return;
  open = true;
  const list = el("dl", { class: "keys" }, HELP.map(([keys, says]) => [
    el("dt", {}, keys.split(/\s+/).map((key) => (key === "·" || key === "–" ? ` ${key} ` : el("kbd", { text: key })))),
    el("dd", { text: says }),
  ]));
  await dialog("Keys", list, [{ label: "Close", value: "", kind: "quiet" }]);
  open = false;
}

// `view` gives the keys of the moment; `everywhere` are the page's own.
export function listen(view, everywhere) {
  let prefix = "";
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const inField = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (inField) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    // A link or a button does by Enter what it says.
    if (event.key === "Enter" && event.target.closest?.("a, button, summary, [tabindex='0']")) return;
    const key = prefix + event.key;
    prefix = "";
    if (event.key === "g" && key === "g") {
      prefix = "g ";
      return;
    }
    const act = view()?.keys?.[key] ?? everywhere[key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

// The filter's text. The server reads it, and says what is wrong with it; here words are only told apart, so that a tab can
// change one of them and leave the others as they were written.

// Names of which the server keeps counts.
const COUNTED = ["state", "kind", "queue"];

// The words of a filter. A word ends at a space outside quotes; its name is what stands before the first colon.
function words(text) {
  const found = text.match(/(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g) ?? [];
  return found.map((raw) => {
    const [, name, value] = /^([^":]*):(.*)$/s.exec(raw) ?? [null, "", raw];
    return { raw, name, value };
  });
}

// Whether the counts of the states are those of this filter, whatever state it names.
export const isCounted = (text) => words(text).every((word) => COUNTED.includes(word.name));

// The text that is the whole filter, which may be an id; or "".
export function alone(text) {
  const [word, another] = words(text);
  return word && !another && word.name === "" && !word.raw.startsWith('"') ? word.raw : "";
}

// Whether a new job is surely among those that the filter shows, from what its event says.
export function shows(text, event) {
  const all = words(text);
  const one = (name, fits) => {
    const values = all.filter((word) => word.name === name).flatMap((word) => word.value.split(","));
    return values.length === 0 || values.some(fits);
  };
  const fits = (kind) => (kind.endsWith("*") ? event.kind.startsWith(kind.slice(0, -1)) : event.kind === kind);
  return all.every((word) => ["kind", "state"].includes(word.name)) && one("kind", fits) && one("state", (state) => state === event.state);
}

// A word of the filter, its value so written that the server reads just it.
export const filter = (name, value) => `${name}:${/^[^\s":,\\]+$/.test(value) ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`}`;

// The filter with the given value of `name` instead of those it has; without one, the filter without `name`.
export function replace(text, name, value) {
  const kept = words(text).filter((word) => word.name !== name).map((word) => word.raw);
  return (value ? [filter(name, value), ...kept] : kept).join(" ");
}

// The one value of `name`, or "" when there are none or several.
export function only(text, name) {
  const [word, another] = words(text).filter((word) => word.name === name);
  return word && !another && !word.value.includes(",") ? word.value : "";
}

// The address of the list under a filter.
export const listAddress = (text) => (text ? `#/jobs?${new URLSearchParams({ q: text })}` : "#/jobs");

// The filter for jobs of a kind in a state.
export const kindFilter = (kind, state) => `${filter("state", state)} ${filter("kind", kind)}`;

// The filter grammar: `state:failed kind:walrus.* queue:default label.team:blue`. The only place that knows how it becomes
// parameters of the API.

const FIELDS = ["state", "status", "kind", "queue"];

// A filter as terms. A value with spaces stands in quotes.
export function terms(text) {
  const found = text.matchAll(/([^\s":]+):"([^"]*)"|([^\s":]+):(\S+)|"([^"]*)"|(\S+)/g);
  return [...found].map(([, quotedName, quoted, name, value, phrase, word]) => {
    if (quotedName !== undefined) return { name: quotedName, value: quoted };
    if (name !== undefined) return { name, value };
    return { name: "", value: phrase ?? word };
  });
}

// What the API is asked for, and what of the filter it does not know.
export function parameters(text) {
  const params = new URLSearchParams();
  const unknown = [];
  const words = [];
  for (const { name, value } of terms(text)) {
    if (FIELDS.includes(name)) params.append(name, value);
    else if (name.startsWith("label.") && name.length > 6) params.append(name, value);
    else if (name === "") words.push(value);
    else unknown.push(`${name}:`);
  }
  return { params, unknown, words };
}

// Whether a new job is surely among those that the filter shows, from what its event says.
export function shows(text, event) {
  const all = terms(text);
  const one = (name, fits) => {
    const values = all.filter((term) => term.name === name).map((term) => term.value);
    return values.length === 0 || values.some(fits);
  };
  const fits = (kind) => (kind.endsWith("*") ? event.kind.startsWith(kind.slice(0, -1)) : event.kind === kind);
  return all.every((term) => ["kind", "state"].includes(term.name)) && one("kind", fits) && one("state", (state) => state === event.state);
}

const write = (name, value) => {
  const text = /\s/.test(value) ? `"${value}"` : value;
  return name ? `${name}:${text}` : text;
};

// The filter with the given values of `name` instead of the ones it has.
export function replace(text, name, ...values) {
  const kept = terms(text).filter((term) => term.name !== name);
  const added = values.map((value) => ({ name, value }));
  return [...added, ...kept].map((term) => write(term.name, term.value)).join(" ");
}

// The one value of `name`, or "" when there are none or several.
export function only(text, name) {
  const values = terms(text).filter((term) => term.name === name);
  return values.length === 1 ? values[0].value : "";
}

export const filter = (name, value) => write(name, value);

// The address of the list under a filter.
export const listAddress = (text) => (text ? `#/jobs?${new URLSearchParams({ q: text })}` : "#/jobs");

// The filter for jobs of a kind in a state.
export const kindFilter = (kind, state) => `${write("state", state)} ${write("kind", kind)}`;

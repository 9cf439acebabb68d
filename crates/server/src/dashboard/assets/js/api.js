// The API, and the token that opens it. The token lives in this tab's session storage, never in a cookie that another port
// of this host would be sent; tabs of this very origin may pass it on to each other.

const KEY = "longhaul.token";
const base = new URL("api/v1/", location.href.split("#")[0]);
const watchers = new Set();

let token = read();

function read() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

// Why the server said no, or why it said nothing: its problem document, in short.
export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export const session = {
  get token() {
    return token;
  },
  set(value) {
    token = value;
    try {
      if (value) sessionStorage.setItem(KEY, value);
      else sessionStorage.removeItem(KEY);
    } catch {
      // Without storage the session lasts until the page is left.
    }
    if (value) channel?.postMessage({ token: value });
  },
  // Forgets the token here and in the other tabs.
  end() {
    session.set(null);
    channel?.postMessage({ ended: true });
  },
  // Calls `act` when the server does not know the token any more, with the problem.
  onRefused(act) {
    watchers.add(act);
  },
};

// Between tabs of this origin.
const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("longhaul.session") : null;
const adopters = new Set();
channel?.addEventListener("message", ({ data }) => {
  if (data?.ended && token) {
    session.set(null);
    for (const act of watchers) act(new Problem(401, "unauthorised", "signed out in another tab"));
  }
  if (data?.ask && token) channel.postMessage({ token });
  if (typeof data?.token === "string" && data.token !== token) for (const adopt of adopters) adopt(data.token);
});

export function onAdopted(act) {
  adopters.add(act);
}

// Asks the other tabs for their session, and waits a moment for an answer.
export function borrowed() {
  return new Promise((resolve) => {
    if (!channel) return resolve(null);
    const done = (value) => {
      adopters.delete(done);
      clearTimeout(timer);
      resolve(value);
    };
    const timer = setTimeout(() => done(null), 150);
    adopters.add(done);
    channel.postMessage({ ask: true });
  });
}

// Sends a request; the answer when it is a success.
export async function send(method, path, { params, body, signal, anonymous } = {}) {
  const url = new URL(path, base);
  if (params) url.search = params.toString();
  const headers = {};
  if (token && !anonymous) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const shown = token;
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The server does not answer. Is longhaul serve running?");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const failure = new Problem(response.status, problem.code ?? "unexpected", problem.detail ?? `status ${response.status}`);
  if (response.status === 401 && !anonymous && shown === token) for (const act of watchers) act(failure);
  throw failure;
}

export async function get(path, params, signal) {
  const response = await send("GET", path, { params: params && new URLSearchParams(params), signal });
  return response.json();
}

export async function post(path, body) {
  const response = await send("POST", path, { body });
  return response.json();
}

// Changes the code of a link for a session.
export async function redeem(code) {
  const response = await send("POST", "dashboard/sessions", { body: { code }, anonymous: true });
  session.set((await response.json()).token);
}

export const jobPath = (id, part = "") => `jobs/${encodeURIComponent(id)}${part}`;

// What an error means to a person, and what to do about it.
export function advice(problem) {
  const detail = problem.message || "something went wrong";
  switch (problem.code) {
    case "unauthorised":
      return "This session has ended. Run longhaul dashboard for a new one.";
    case "illegal_transition":
      return `${detail} (The job changed meanwhile; what is shown now is newer.)`;
    case "not_found":
      return `${detail}. It may have been removed.`;
    default:
      return detail;
  }
}

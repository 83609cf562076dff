// Calls the API from pages, with the session's cookie and the form's CSRF token; errors carry the problem's text.

import { ask } from "./ask.js";

export const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

export class Problem extends Error {
  constructor(detail, status = 0, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** There was no response: the request may or may not have been executed. */
export class Unreachable extends Problem {
  constructor() {
    super("The server cannot be reached: try again when it is back.");
  }
}

export const REASON = "Change-Reason";
const PROBE_MS = 2000;
let probing = null;

/** Resolve when the server answers again; all callers share one probe. */
function reachable() {
  probing ??= (async () => {
    do await new Promise((done) => setTimeout(done, PROBE_MS));
    while (!(await fetch("/health/live").then((r) => r.ok, () => false)));
    probing = null;
  })();
  return probing;
}

/** Show in an element why a call failed; "cannot be reached" disappears when the server answers again. */
export function explain(element, error, text = error.message) {
  element.textContent = text;
  element.hidden = false;
  if (!(error instanceof Unreachable)) return;
  reachable().then(() => {
    if (element.textContent !== text) return;
    element.textContent = "";
    element.hidden = true;
  });
}

/** Post a form to a page and return the HTML that it answers. */
export const post = (path, form) => page(path, { method: "POST", headers: { "X-CSRFToken": token() }, body: form });

/** Return the text of a page, or of a part of one. */
export const read = (path) => page(path, {});

async function page(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Unreachable();
  }
  if (response.redirected) {
    location.assign(`/sign-in/?next=${encodeURIComponent(location.pathname)}`);
    throw new Problem("You are not signed in.", 401);
  }
  if (!response.ok) throw new Problem(`The server answered ${response.status}.`, response.status);
  return response.text();
}

/** What the page calls a field of the API: the label of its input, if there is one. */
function labelOf(field) {
  const input = document.querySelector(`form [name="${CSS.escape(field.split(".")[0])}"]`);
  return input?.labels?.[0]?.firstChild?.textContent.trim() || field;
}

/** Call the API with a body that is sent as JSON, or with a form (FormData). Where a change needs a reason, ask for it. */
export async function call(method, path, body, headers = {}) {
  const isForm = body instanceof FormData;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { "X-CSRFToken": token(), ...(body && !isForm ? { "Content-Type": "application/json" } : {}), ...headers },
      body: body && !isForm ? JSON.stringify(body) : body,
    });
  } catch {
    throw new Unreachable();
  }
  if (response.status === 401) {
    location.assign(`/sign-in/?next=${encodeURIComponent(location.pathname)}`);
    throw new Problem("You are not signed in.", 401);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }));
  if (answer.code === "reason_required" && !headers[REASON]) {
    const reason = await ask("Why do you change it? The change log keeps it.", { value: "", verb: "Go on" });
    if (reason?.trim()) return call(method, path, body, { ...headers, [REASON]: encodeURIComponent(reason.trim()) });
  }
  if (!response.ok) {
    const reasons = Object.entries(answer.errors ?? {}).map(([field, why]) => `${labelOf(field)}: ${why.join(" ")}`);
    throw new Problem(reasons.join(" ") || answer.detail, response.status, Number(response.headers.get("Retry-After")));
  }
  return answer;
}

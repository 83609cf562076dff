// Calls of the API from the page: the session's cookie, the form's CSRF token, and errors with their own words.

const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

export class Problem extends Error {
  constructor(detail, status = 0, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { "X-CSRFToken": token(), ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem("The server cannot be reached. Your text is kept: try again when it is back.");
  }
  if (response.status === 401) {
    location.assign(`/sign-in/?next=${encodeURIComponent(location.pathname)}`);
    throw new Problem("You are not signed in.", 401);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }));
  if (!response.ok) {
    const reasons = Object.entries(answer.errors ?? {}).map(([field, why]) => `${field}: ${why.join(" ")}`);
    throw new Problem(reasons.join(" ") || answer.detail, response.status, Number(response.headers.get("Retry-After")));
  }
  return answer;
}

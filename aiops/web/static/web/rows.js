// Pages of configuration rows: saves a form as JSON, deletes rows, and makes a model the default.

import { REASON, call, explain } from "./api.js";
import { confirmed } from "./ask.js";

const form = document.getElementById("row-form");
const rows = document.getElementById("rows");
const problem = document.getElementById("rows-problem");

const readers = {
  text: (input) => input.value.trim(),
  raw: (input) => input.value,
  number: (input) => (input.value === "" ? "" : Number(input.value)),
  truth: (input) => input.checked,
  json: (input) => (input.value.trim() === "" ? "" : JSON.parse(input.value)),
  lines: (input) => input.value.split("\n").map((line) => line.trim()).filter(Boolean),
  words: (input) => input.value.split(",").map((word) => word.trim()).filter(Boolean),
};

const empty = (value) => value === "" || (Array.isArray(value) && value.length === 0);

/** Return what the form says; a field `a.b` becomes a member of the object `a`, which is there even when it is empty. */
function read() {
  const body = {};
  for (const input of form.querySelectorAll("[data-field]")) {
    const [field, member] = input.dataset.field.split(".");
    if (member) body[field] ??= {};
    if (input.closest("fieldset[hidden]")) continue;
    let value;
    try {
      value = readers[input.dataset.kind](input);
    } catch {
      throw new Error(`${input.labels[0].firstChild.textContent.trim()}: Not JSON.`);
    }
    if (member) {
      if (!empty(value)) body[field][member] = value;
    } else if (!empty(value) || "always" in input.dataset) {
      body[field] = value;
    } else if ("null" in input.dataset) {
      body[field] = null;
    }
  }
  return body;
}

const why = () => {
  const reason = form?.elements.reason?.value.trim();
  return reason ? { [REASON]: encodeURIComponent(reason) } : {};
};

function show() {
  const choice = form.elements.handler ?? form.elements.provider;
  if (!choice) return;
  const handler = form.elements.handler ? choice.value : choice.selectedOptions[0]?.dataset.handler;
  for (const part of form.querySelectorAll("fieldset[data-handler]")) {
    part.hidden = part.dataset.handler !== handler;
    for (const input of part.querySelectorAll("[data-required]")) input.required = !part.hidden;
  }
}

const acts = {
  async default(row, path) {
    await call("POST", `${path}make-default/`, undefined, why());
    location.reload();
  },
  async delete(row, path, then) {
    if (!(await confirmed(`Delete ${row.dataset.name}?`))) return;
    await call("DELETE", path, undefined, why());
    if (then) location.assign(then);
    else location.reload();
  },
};

rows?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const row = button.closest("[data-id]");
  problem.hidden = true;
  button.disabled = true;
  try {
    await acts[button.dataset.do](row, `${rows.dataset.path}${row.dataset.id}/`, button.dataset.then);
  } catch (error) {
    explain(problem, error);
    problem.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
});

if (form) {
  form.addEventListener("change", show);
  show();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const says = document.getElementById("row-problem");
    says.hidden = true;
    const isNew = !/[0-9a-f-]{36}\/$/.test(form.dataset.path);
    try {
      const made = await call(isNew ? "POST" : "PATCH", form.dataset.path, read(), why());
      if (isNew) location.assign(`${location.pathname}${made.id}/`);
      else location.reload();
    } catch (error) {
      explain(says, error);
    }
  });
}

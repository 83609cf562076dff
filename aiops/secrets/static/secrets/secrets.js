// The page of secrets: adds, checks, replaces and deletes them.

import { call, explain } from "../web/api.js";
import { ask, confirmed } from "../web/ask.js";

const form = document.getElementById("secret-form");
const problem = document.getElementById("secrets-problem");

function show() {
  for (const part of form.querySelectorAll("[data-kind]")) {
    const shown = part.dataset.kind === form.elements.kind.value;
    part.hidden = !shown;
    part.querySelector("input").required = shown;
  }
}

const acts = {
  async check(row, path) {
    const says = row.querySelector(".result");
    says.className = "result muted";
    says.textContent = "A worker reads it\u2026";
    try {
      const { resolves, problem: why } = await call("POST", `${path}check/`);
      says.className = resolves ? "result" : "result problem";
      says.textContent = resolves ? "A worker can read it." : why;
    } catch (error) {
      says.textContent = "";
      throw error;
    }
  },
  async replace(row, path) {
    const value = await ask(`The new value of ${row.dataset.name}`, { value: "", verb: "Replace", secret: true });
    if (!value) return;
    await call("PATCH", path, { value });
    row.querySelector(".result").textContent = "Replaced.";
  },
  async delete(row, path) {
    if (!(await confirmed(`Delete the secret ${row.dataset.name}?`))) return;
    await call("DELETE", path);
    location.reload();
  },
};

document.getElementById("secrets")?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const row = button.closest("tr");
  problem.hidden = true;
  button.disabled = true;
  try {
    await acts[button.dataset.do](row, `/api/secrets/${row.dataset.id}/`);
  } catch (error) {
    explain(problem, error);
  } finally {
    button.disabled = false;
  }
});
if (form) {
  for (const name of ["input", "change"]) form.addEventListener(name, show);
  show();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const says = document.getElementById("secret-problem");
    says.hidden = true;
    const { name, kind } = form.elements;
    const where = kind.value === "stored" ? { value: form.elements.value.value } : { reference: form.elements[kind.value].value };
    try {
      await call("POST", "/api/secrets/", { name: name.value, kind: kind.value, ...where });
      location.reload();
    } catch (error) {
      explain(says, error);
    }
  });
}

// The page of saved prompts: adds, edits, shares and deletes them.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";

const PATH = "/api/saved-prompts/";
const form = document.getElementById("prompt-form");
const title = document.getElementById("form-title");
const leave = document.getElementById("leave");
const problem = document.getElementById("prompts-problem");
let edited = "";

function editing(id, name = "") {
  edited = id;
  title.textContent = id ? `Edit ${name}` : "Save a prompt";
  leave.hidden = !id;
}

const acts = {
  async edit(row) {
    const prompt = await call("GET", `${PATH}${row.dataset.id}/`);
    editing(prompt.id, prompt.name);
    form.elements.name.value = prompt.name;
    form.elements.text.value = prompt.text;
    form.elements.is_shared.checked = prompt.is_shared;
    form.scrollIntoView({ block: "nearest" });
    form.elements.text.focus();
  },
  async share(row) {
    await call("PATCH", `${PATH}${row.dataset.id}/`, { is_shared: !row.dataset.shared });
    location.reload();
  },
  async delete(row) {
    if (!(await confirmed(`Delete the prompt ${row.dataset.name}?`))) return;
    await call("DELETE", `${PATH}${row.dataset.id}/`);
    location.reload();
  },
};

document.getElementById("prompts")?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  problem.hidden = true;
  button.disabled = true;
  try {
    await acts[button.dataset.do](button.closest("tr"));
  } catch (error) {
    explain(problem, error);
  } finally {
    button.disabled = false;
  }
});
form.addEventListener("reset", () => editing(""));
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const says = document.getElementById("prompt-problem");
  says.hidden = true;
  const { name, text, is_shared: shared } = form.elements;
  const body = { name: name.value, text: text.value, is_shared: shared.checked };
  try {
    await (edited ? call("PUT", `${PATH}${edited}/`, body) : call("POST", PATH, body));
    location.reload();
  } catch (error) {
    explain(says, error);
  }
});

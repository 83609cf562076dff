// The middleware of a model: adds one, switches it off and on, removes it.

import { REASON, call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";

const PATH = "/api/llm-middleware/";
const form = document.getElementById("chain-form");
const why = () => {
  const reason = document.querySelector("#row-form [name=reason]")?.value.trim();
  return reason ? { [REASON]: encodeURIComponent(reason) } : {};
};

function show() {
  const chosen = form.elements.middleware.selectedOptions[0];
  const schema = document.getElementById("chain-schema");
  schema.querySelector("pre").textContent = JSON.stringify(JSON.parse(chosen.dataset.schema), null, 2);
  schema.hidden = chosen.dataset.schema === "{}";
  document.getElementById("chain-does").textContent = chosen.dataset.does;
  form.elements.config.value = chosen.dataset.default;
}

document.getElementById("chain")?.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const row = button.closest("tr");
  const path = `${PATH}${row.dataset.id}/`;
  const says = document.getElementById("chain-says");
  says.hidden = document.getElementById("chain-problem").hidden = true;
  try {
    if (button.dataset.do === "check") {
      button.disabled = true;
      const { builds, problem } = await call("POST", `${path}check/`);
      if (!builds) throw new Error(`${row.dataset.name} cannot start: ${problem}`);
      says.textContent = `A worker can build ${row.dataset.name}.`;
      says.hidden = false;
      return;
    }
    if (button.dataset.do === "toggle") await call("PATCH", path, { is_active: !button.dataset.active }, why());
    else if (await confirmed(`Remove ${row.dataset.name} from this model?`)) await call("DELETE", path, undefined, why());
    else return;
    location.reload();
  } catch (error) {
    explain(document.getElementById("chain-problem"), error);
  } finally {
    button.disabled = false;
  }
});

form?.elements.middleware.addEventListener("change", show);
if (form) show();
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const says = document.getElementById("chain-form-problem");
  const { middleware, priority, config, is_critical: critical } = form.elements;
  says.hidden = true;
  try {
    let given;
    try {
      given = JSON.parse(config.value.trim() || "{}");
    } catch {
      throw new Error("Config: Not JSON.");
    }
    const row = { llm_model: form.dataset.model, middleware: middleware.value, priority: Number(priority.value) };
    await call("POST", PATH, { ...row, config: given, is_critical: critical.checked }, why());
    location.reload();
  } catch (error) {
    explain(says, error);
  }
});

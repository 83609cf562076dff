// Tries a tool that reads: a form made of its schema, and the result.

import { call, explain } from "../web/api.js";
import { filled, inputs } from "../web/schema_form.js";

const table = document.getElementById("tools");
const panel = document.getElementById("trial");
const problem = document.getElementById("trial-problem");
const says = document.getElementById("trial-says");
let path = "";
let parameters = null;

function open(button) {
  path = button.dataset.path;
  parameters = JSON.parse(button.parentElement.querySelector("script").textContent);
  const asked = inputs(parameters);
  panel.querySelector("h2").textContent = `Try ${button.dataset.try}`;
  panel.querySelector(".columns").replaceChildren(...asked);
  problem.hidden = true;
  says.textContent = asked.length ? "" : "It takes no arguments.";
  panel.querySelector("pre").hidden = true;
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest" });
  (panel.querySelector(".columns input, .columns select, .columns textarea") ?? panel.querySelector("button")).focus();
}

table?.addEventListener("click", (event) => { if (event.target.dataset.try) open(event.target); });
panel?.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = panel.querySelector("button");
  const result = panel.querySelector("pre");
  problem.hidden = true;
  result.hidden = true;
  button.disabled = true;
  says.textContent = "Calling\u2026";
  try {
    const answer = await call("POST", path, { arguments: filled(panel.querySelector(".columns"), parameters) });
    says.textContent = `${answer.status === "ok" ? "It answered" : "It failed"} after ${Math.round(answer.ms)} ms:`;
    result.textContent = answer.result;
    result.hidden = false;
    panel.scrollIntoView({ block: "start", behavior: "smooth" });
  } catch (error) {
    says.textContent = "";
    explain(problem, error instanceof SyntaxError ? new Error(`The arguments are not JSON: ${error.message}`) : error);
  } finally {
    button.disabled = false;
  }
});

// Tools: accepts what their servers offer, exactly as the page has shown it.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";

const problem = document.getElementById("tools-problem");
const waiting = [...document.querySelectorAll("[data-accept]")];
const all = document.querySelector("[data-accept-all]");

async function act(button, doing) {
  problem.hidden = true;
  button.disabled = true;
  try {
    await doing();
    location.reload();
  } catch (error) {
    explain(problem, error);
    problem.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
}

for (const button of waiting) {
  button.addEventListener("click", () => act(button, () => call("POST", `/api/tools/${button.dataset.accept}/accept/`, { pin: button.dataset.pin })));
}
if (all && waiting.length > 1) {
  all.parentElement.hidden = false;
  all.addEventListener("click", async () => {
    if (!(await confirmed(`Accept ${waiting.length} tools as they are now?`))) return;
    act(all, () => call("POST", "/api/tools/accept/", waiting.map((one) => ({ id: one.dataset.accept, pin: one.dataset.pin }))));
  });
}

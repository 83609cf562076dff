// Takes back what was allowed for a conversation.

import { call, explain } from "../web/api.js";

const problem = document.getElementById("grants-problem");

document.getElementById("grants")?.addEventListener("click", async (event) => {
  if (!("revoke" in event.target.dataset)) return;
  const row = event.target.closest("[data-id]");
  problem.hidden = true;
  event.target.disabled = true;
  try {
    await call("DELETE", `/api/approval-grants/${row.dataset.id}/`);
    row.remove();
  } catch (error) {
    explain(problem, error);
    event.target.disabled = false;
  }
});

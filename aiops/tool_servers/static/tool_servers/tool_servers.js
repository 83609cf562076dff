// Tool servers: check their health, refresh their tools, and take one out of service.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";

const problem = document.getElementById("tools-problem");
const CHECKED_MS = 2000;

document.addEventListener("click", async (event) => {
  const { ask, status, question } = event.target.dataset ?? {};
  if (!ask && !status) return;
  if (question && !(await confirmed(question))) return;
  event.target.disabled = true;
  problem.hidden = true;
  try {
    if (status) await call("PATCH", `/api/mcp-servers/${document.getElementById("server").dataset.id}/`, { status });
    else await call("POST", `/api/mcp-servers/${ask}/`);
    if (ask === "check") await new Promise((done) => setTimeout(done, CHECKED_MS));
    location.reload();
  } catch (error) {
    explain(problem, error);
    event.target.disabled = false;
  }
});

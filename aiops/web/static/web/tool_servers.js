// Tool servers: have them looked at, have their tools listed anew, and take one out of service.

import { call } from "./api.js";

const problem = document.getElementById("tools-problem");
const LOOKED_MS = 2000;

document.addEventListener("click", async (event) => {
  const { ask, status } = event.target.dataset ?? {};
  if (!ask && !status) return;
  event.target.disabled = true;
  problem.hidden = true;
  try {
    if (status) await call("PATCH", `/api/mcp-servers/${document.getElementById("server").dataset.id}/`, { status });
    else await call("POST", `/api/mcp-servers/${ask}/`);
    if (ask === "check") await new Promise((done) => setTimeout(done, LOOKED_MS));
    location.reload();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    event.target.disabled = false;
  }
});

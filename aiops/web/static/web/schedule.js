// One schedule: its actions; the page shows what came of them.

import { call } from "./api.js";
import { sure } from "./ask.js";

const panel = document.getElementById("schedule");
const problem = document.getElementById("schedule-problem");
const path = `/api/schedules/${panel.dataset.id}/`;

panel.addEventListener("click", async (event) => {
  const what = event.target.dataset?.act;
  if (!what) return;
  if (what === "delete" && !(await sure("Delete this schedule? Its answers stay."))) return;
  event.target.disabled = true;
  try {
    await (what === "delete" ? call("DELETE", path) : call("POST", `${path}${what}/`));
    if (what === "delete") location.assign("/schedules/");
    else location.reload();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    event.target.disabled = false;
  }
});

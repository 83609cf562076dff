// One schedule: runs, pauses, resumes or deletes it.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";

const panel = document.getElementById("schedule");
const problem = document.getElementById("schedule-problem");
const path = `/api/schedules/${panel.dataset.id}/`;

panel.addEventListener("click", async (event) => {
  const what = event.target.dataset?.act;
  if (!what) return;
  if (what === "delete" && !(await confirmed("Delete this schedule? Its answers stay."))) return;
  event.target.disabled = true;
  try {
    await (what === "delete" ? call("DELETE", path) : call("POST", `${path}${what}/`));
    if (what === "delete") location.assign("/schedules/");
    else location.reload();
  } catch (error) {
    explain(problem, error);
    event.target.disabled = false;
  }
});

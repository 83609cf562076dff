// One schedule: runs, pauses, resumes or deletes it.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";
import { done } from "../web/done.js";
import { refreshNow } from "../web/refresh.js";

const panel = document.getElementById("schedule");
const problem = document.getElementById("action-problem");
const path = `/api/schedules/${panel.dataset.id}/`;

panel.addEventListener("click", async (event) => {
  const what = event.target.dataset?.act;
  if (!what) return;
  if (what === "delete" && !(await confirmed("Delete this schedule? Its answers stay."))) return;
  event.target.disabled = true;
  try {
    await (what === "delete" ? call("DELETE", path) : call("POST", `${path}${what}/`));
    if (what === "delete") location.assign("/schedules/");
    else if (what !== "run") location.reload(); // its state and its buttons change
    else {
      done("It runs now: the outcome appears below.");
      refreshNow();
    }
  } catch (error) {
    explain(problem, error);
  } finally {
    event.target.disabled = false;
  }
});

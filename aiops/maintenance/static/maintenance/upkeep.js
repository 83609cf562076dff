// Runs a job now, waits until it has ended, and says what it did.

import { call, explain } from "../web/api.js";
import { done } from "../web/done.js";
import { refreshNow } from "../web/refresh.js";

const problem = document.getElementById("upkeep-problem");
const POLLS = 20;
const POLL_MS = 500;

document.addEventListener("click", async (event) => {
  const job = event.target.dataset?.run;
  if (!job) return;
  event.target.disabled = true;
  problem.hidden = true;
  try {
    const path = `/api/upkeep/${job}/`;
    const before = (await call("GET", `${path}runs/?limit=1`)).results[0]?.id ?? 0;
    await call("POST", `${path}run/`);
    for (let n = 0; n < POLLS; n++) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const last = (await call("GET", `${path}runs/?limit=1`)).results[0];
      if (last?.id > before && last.outcome !== "running") {
        const did = Object.entries(last.summary).map(([name, value]) => `${name} ${value}`).join(", ");
        done(`${job} ${last.outcome === "done" ? "ran" : "failed"}${did ? `: ${did}` : ""}.`);
        return refreshNow();
      }
    }
    throw new Error("No worker has run it yet: check that worker-upkeep is running.");
  } catch (error) {
    explain(problem, error);
  } finally {
    event.target.disabled = false;
  }
});

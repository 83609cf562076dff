// Asks for a job now, waits until its row is there, and shows it.

import { call } from "./api.js";

const problem = document.getElementById("upkeep-problem");
const TRIES = 20;
const LOOK_MS = 500;

document.addEventListener("click", async (event) => {
  const job = event.target.dataset?.run;
  if (!job) return;
  event.target.disabled = true;
  problem.hidden = true;
  try {
    const path = `/api/upkeep/${job}/`;
    const before = (await call("GET", `${path}runs/?limit=1`)).results[0]?.id ?? 0;
    await call("POST", `${path}run/`);
    for (let n = 0; n < TRIES; n++) {
      await new Promise((done) => setTimeout(done, LOOK_MS));
      const last = (await call("GET", `${path}runs/?limit=1`)).results[0];
      if (last?.id > before && last.outcome !== "running") return location.reload();
    }
    throw new Error("No worker has done it yet: is worker-upkeep running?");
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    event.target.disabled = false;
  }
});

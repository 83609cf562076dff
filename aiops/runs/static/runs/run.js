// The page of a run: cancel it, ask its prompt again.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";
import { dressCode } from "../web/code.js";
import { done } from "../web/done.js";
import { refreshNow } from "../web/refresh.js";

const problem = document.getElementById("run-problem");

const ACTIONS = {
  cancel: async (id) => {
    if (!await confirmed("Cancel this run? What it has answered so far is kept.")) return;
    const { state } = await call("POST", `/api/runs/${id}/cancel/`);
    done(state === "running" ? "The worker was asked to stop." : "The run is cancelled.");
    refreshNow();
  },
  again: async (id) => {
    const run = await call("GET", `/api/runs/${id}/`);
    const message = document.querySelector(".asked").textContent;
    const accepted = await call("POST", "/api/chat/", { message, conversation: run.conversation }, { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) });
    location.assign(`/runs/${accepted.run.id}/`);
  },
};

document.addEventListener("refreshed", (event) => dressCode(event.target));
dressCode(document);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-act]");
  if (!button) return;
  problem.hidden = true;
  button.disabled = true;
  try {
    await ACTIONS[button.dataset.act](button.closest("[data-run]").dataset.run);
  } catch (error) {
    explain(problem, error);
  } finally {
    button.disabled = false;
  }
});

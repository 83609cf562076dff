// The page of webhooks: the signing key on request, and sending anew.

import { call } from "./api.js";
import { sure } from "./ask.js";

const problem = document.getElementById("webhook-problem");
const key = document.getElementById("key");

async function show(method) {
  key.textContent = (await call(method, "/api/webhooks/key/")).key;
  key.hidden = false;
  document.querySelector("[data-do=renew-key]").hidden = false;
}

document.addEventListener("click", async (event) => {
  const { do: what, redeliver } = event.target.dataset ?? {};
  problem.hidden = true;
  try {
    if (what === "show-key") await show("GET");
    else if (what === "renew-key" && (await sure("Take another key? Receivers must be told at once."))) await show("POST");
    else if (redeliver) {
      event.target.disabled = true;
      await call("POST", `/api/webhooks/${redeliver}/redeliver/`);
      location.reload();
    }
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    event.target.disabled = false;
  }
});

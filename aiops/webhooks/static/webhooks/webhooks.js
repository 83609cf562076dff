// The page of webhooks: shows or replaces the signing key, and sends a delivery again.

import { call, explain } from "../web/api.js";
import { confirmed } from "../web/ask.js";
import { done } from "../web/done.js";
import { refreshNow } from "../web/refresh.js";

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
    else if (what === "renew-key" && (await confirmed("Replace the key? Receivers need the new one at once."))) await show("POST");
    else if (redeliver) {
      event.target.disabled = true;
      await call("POST", `/api/webhooks/${redeliver}/redeliver/`);
      done("It is sent again.");
      refreshNow();
    }
  } catch (error) {
    explain(problem, error);
    event.target.disabled = false;
  }
});

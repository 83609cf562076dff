// What a run asks people, as a card in its turn.

import { dress } from "../approvals/card.js";
import { read } from "../web/api.js";

/** Show what a turn's run waits for, or nothing. */
export async function showApproval(turn) {
  const place = turn.find(".asks");
  if (!place) return;
  let html = "";
  try {
    html = await read(`/approvals/of-run/${turn.run}/`);
  } catch {
    turn.say("It waits for a decision: see Approvals.");
    return;
  }
  if (turn.element.dataset.state !== "waiting_approval") return;
  place.innerHTML = html; // rendered and escaped by the server
  const form = place.querySelector("form");
  turn.say(form?.querySelector("[type=submit]") ? "" : "Waiting for a decision\u2026");
  if (form) dress(form, () => { hideApproval(turn); turn.say("Decided: it goes on\u2026"); });
}

export const hideApproval = (turn) => turn.find(".asks")?.replaceChildren();

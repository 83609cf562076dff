// What went wrong, above the composer.

import { explain } from "../web/api.js";

const problem = document.getElementById("composer-problem");

export function complain(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

/** Show why a call failed, perhaps in words of its own. */
export const failed = (error, text = undefined) => explain(problem, error, text);

/** Act, and show it if that fails. */
export async function attempt(act) {
  complain("");
  try {
    await act();
  } catch (error) {
    failed(error);
  }
}

// The profile: copies a new token, and asks before a token is revoked.

import { confirmed } from "../web/ask.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const code = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch { // without https there is no clipboard
    getSelection().selectAllChildren(code);
    button.textContent = "Selected: press Ctrl C";
  }
});
document.addEventListener("submit", async (event) => {
  const question = event.target.dataset.question;
  if (!question) return;
  event.preventDefault();
  if (await confirmed(question)) event.target.submit();
});

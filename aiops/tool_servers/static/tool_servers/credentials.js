// One's own credentials: asks before one is removed.

import { confirmed } from "../web/ask.js";

document.addEventListener("submit", async (event) => {
  const question = event.target.dataset.question;
  if (!question) return;
  event.preventDefault();
  if (await confirmed(question)) event.target.submit();
});

// Tries a model: asks it one question, and shows the answer with its time, tokens and cost.

import { call, explain } from "../web/api.js";

const form = document.getElementById("try-form");
const ENDED = new Set(["succeeded", "failed", "cancelled", "expired"]);

function summary({ usage, timings, state }, target) {
  const parts = [state];
  const ms = timings.ms.queued_to_finished;
  if (ms !== null) parts.push(`${(ms / 1000).toFixed(1)} s`);
  if (usage) {
    parts.push(`${usage.model}`, `${usage.input_tokens} tokens in, ${usage.output_tokens} out`);
    if (usage.cost !== null) parts.push(`cost ${Number(usage.cost)}`);
  }
  if (target.url) parts.push(target.url);
  if (target.deployment) parts.push(`deployment ${target.deployment}`, `API version ${target.api_version}`);
  return parts.join(" · ");
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [button, says, answer, problem] = [
    form.querySelector("button"),
    document.getElementById("try-says"),
    document.getElementById("try-answer"),
    document.getElementById("try-problem"),
  ];
  problem.hidden = answer.hidden = true;
  button.disabled = true;
  says.textContent = "It is being asked\u2026";
  try {
    const { links, target } = await call("POST", form.dataset.path, { message: form.elements.message.value });
    let run;
    do run = await call("GET", `${links.self}?wait=20`);
    while (!ENDED.has(run.state));
    says.textContent = summary(run, target);
    if (run.error) explain(problem, new Error(run.error.detail));
    answer.textContent = run.answer;
    answer.hidden = !run.answer;
  } catch (error) {
    says.textContent = "";
    explain(problem, error);
  } finally {
    button.disabled = false;
  }
});

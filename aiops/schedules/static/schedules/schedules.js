// The form of a new schedule.

import { call, explain } from "../web/api.js";

const form = document.getElementById("schedule-form");
const problem = document.getElementById("schedule-problem");
const fields = form.elements;

fields.timezone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
fields.kind.addEventListener("change", () => {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== fields.kind.value;
});

function when() {
  switch (fields.kind.value) {
    case "cron": return { cron: fields.cron.value, timezone: fields.timezone.value };
    case "every": return { every_s: Number(fields.every.value) * Number(fields.unit.value) };
    default:
      if (!fields.at.value) throw new Error("Choose a date and a time.");
      return { at: new Date(fields.at.value).toISOString(), timezone: fields.timezone.value };
  }
}

/** Return the request: with the prompt, or as a form with the file of a batch. */
function asked(options) {
  const file = fields.file.files[0];
  if (!file) return { ...options, message: fields.message.value };
  const body = new FormData();
  body.append("options", JSON.stringify(options));
  body.append("file", file);
  return body;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.hidden = true;
  try {
    const policies = { overlap: fields.overlap.value, catch_up: fields.catch_up.value, allow_changes: fields.tools.value === "all" };
    const made = await call("POST", "/api/schedules/", asked({ name: fields.name.value, ...when(), ...policies }));
    location.assign(`/schedules/${made.id}/`);
  } catch (error) {
    explain(problem, error);
  }
});

// The form of a schedule, new or changed: times are chosen in words, and shown as the server understands them.

import { call, explain, read } from "../web/api.js";
import { showTimes } from "../web/times.js";

const PREVIEW_MS = 300;
const WORKING_DAYS = "1,2,3,4,5";
const form = document.getElementById("schedule-form");
const problem = document.getElementById("schedule-problem");
const times = document.getElementById("times");
const fields = form.elements;
const known = document.getElementById("schedule-fields");
const isNew = !known;
let waiting = null;

/** The cron expression of what is chosen; null when the times are no cron expression. */
function cron() {
  const [hour, minute] = (fields.time.value || "0:0").split(":").map(Number);
  switch (fields.kind.value) {
    case "daily": return `${minute} ${hour} * * *`;
    case "weekly": {
      const days = [...form.querySelectorAll("[name=weekday]:checked")].map((box) => box.value);
      if (!days.length) throw new Error("Choose a day of the week.");
      return `${minute} ${hour} * * ${String(days) === WORKING_DAYS ? "1-5" : days.join(",")}`;
    }
    case "monthly": return `${minute} ${hour} ${fields.day.value} * *`;
    case "cron": return fields.cron.value;
    default: return null;
  }
}

function when() {
  const expression = cron();
  if (expression !== null) return { cron: expression, timezone: fields.timezone.value };
  if (fields.kind.value === "every") return { every_s: Number(fields.every.value) * Number(fields.unit.value) };
  if (!fields.at.value) throw new Error("Choose a date and a time.");
  return { at: new Date(fields.at.value).toISOString(), timezone: fields.timezone.value };
}

/** Show the parts that belong to what is chosen, and what it means. */
function show() {
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = !part.dataset.kind.split(" ").includes(fields.kind.value);
  form.querySelector("[data-notify]").hidden = ["", "mail"].includes(fields.notify_by.value);
  clearTimeout(waiting);
  waiting = setTimeout(preview, PREVIEW_MS);
}

async function preview() {
  let query;
  try {
    if (cron() === null) return;
    query = new URLSearchParams(when());
  } catch (error) {
    times.textContent = error.message;
    return;
  }
  const html = await read(`/schedules/preview/?${query}`).catch(() => "");
  times.innerHTML = html; // a page of ours
  showTimes(times);
}

/** Fill the picker from a cron expression: in words if it has such a form. */
function pick(expression) {
  fields.cron.value = expression;
  const found = expression.match(/^(\d{1,2}) (\d{1,2}) (\*|\d{1,2}) \* (\*|[\d,-]+)$/);
  const days = found?.[4] === "1-5" ? WORKING_DAYS : found?.[4];
  if (!found || days.includes("-") || (found[3] !== "*" && days !== "*")) { fields.kind.value = "cron"; return; }
  fields.time.value = `${found[2].padStart(2, "0")}:${found[1].padStart(2, "0")}`;
  fields.kind.value = days !== "*" ? "weekly" : found[3] !== "*" ? "monthly" : "daily";
  if (found[3] !== "*") fields.day.value = found[3];
  if (days !== "*") for (const box of form.querySelectorAll("[name=weekday]")) box.checked = days.split(",").map((day) => String(day % 7)).includes(box.value);
}

function fill(row) {
  for (const name of ["name", "message", "timezone", "overlap", "catch_up", "tools", "notify_by", "notify_url"]) if (fields[name]) fields[name].value = row[name];
  if (row.cron) pick(row.cron);
  if (row.every_s) {
    fields.kind.value = "every";
    const unit = [86400, 3600, 60].find((size) => row.every_s % size === 0);
    fields.unit.value = unit ?? 60;
    fields.every.value = unit ? row.every_s / unit : row.every_s / 60;
    fields.every.step = unit ? 1 : "any";
  }
  if (row.at) {
    fields.kind.value = "at";
    const at = new Date(row.at);
    fields.at.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
}

/** What was chosen, as the API takes it. */
function chosen() {
  const by = fields.notify_by.value;
  const notify = by ? { by, ...(by === "mail" ? {} : { url: fields.notify_url.value }) } : null;
  return {
    name: fields.name.value,
    ...when(),
    overlap: fields.overlap.value,
    catch_up: fields.catch_up.value,
    allow_changes: fields.tools.value === "all",
    ...(notify || !isNew ? { notify } : {}),
  };
}

/** Return the request: with the prompt, or as a form with the file of a batch. */
function asked(options) {
  const file = fields.file?.files[0];
  if (!file) return { ...options, ...(fields.message ? { message: fields.message.value } : {}) };
  const body = new FormData();
  body.append("options", JSON.stringify(options));
  body.append("file", file);
  return body;
}

if (isNew) fields.timezone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
else fill(JSON.parse(known.textContent));
for (const name of ["input", "change"]) form.addEventListener(name, show);
show();
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.hidden = true;
  try {
    const { id } = await call(isNew ? "POST" : "PATCH", form.dataset.path, asked(chosen()));
    location.assign(`/schedules/${id}/`);
  } catch (error) {
    explain(problem, error);
  }
});

// The form of a new batch: previews the chosen file, then uploads it.

import { explain, post, Problem, token, Unreachable } from "../web/api.js";

const form = document.getElementById("batch-form");
const file = form.elements.file;
const drop = document.getElementById("drop");
const preview = document.getElementById("preview");
const problem = document.getElementById("batch-problem");
const sending = document.getElementById("sending");
const PREVIEW_BYTES = 24_000; // with the longest template, less than a body may have
const CHANGES = ["template", "encoding", "column_custom_id", "column_model", "ignore_model"];
const TYPING_MS = 400;
let previewing = 0;
let typing;

file.addEventListener("change", () => {
  preview.replaceChildren();
  show();
});
form.addEventListener("change", (event) => {
  if (CHANGES.includes(event.target.name)) show();
});
form.elements.template.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(show, TYPING_MS);
});
for (const type of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", type === "dragover");
    if (type !== "drop" || !event.dataTransfer.files.length) return;
    file.files = event.dataTransfer.files;
    preview.replaceChildren();
    show();
  });
}

/** Show how the server reads the file's beginning with the options so far. */
async function show() {
  const chosen = file.files[0];
  preview.hidden = !chosen;
  problem.hidden = true;
  if (!chosen) return;
  clearTimeout(typing);
  const mine = ++previewing;
  const { columns, encoding, ignore_model, template } = options();
  const body = new FormData();
  body.append("options", JSON.stringify({ columns, encoding, ignore_model, template }));
  body.append("file", chosen.slice(0, PREVIEW_BYTES), chosen.name);
  try {
    const html = await post(`/batches/preview/?size=${chosen.size}`, body);
    if (mine === previewing) preview.innerHTML = html; // rendered and escaped by the server
  } catch (error) {
    preview.hidden = true;
    explain(problem, error);
  }
}

/** Return the options as the form has them now, empty ones left out. */
function options() {
  const fields = form.elements;
  const value = (name) => fields[name]?.value?.trim() || undefined;
  const uses = { custom_id: value("column_custom_id"), model: value("column_model") };
  return {
    policy: fields.policy.value,
    max_concurrency: Number(fields.max_concurrency.value),
    ...Object.fromEntries(["name", "template", "model", "encoding"].map((name) => [name, value(name)])),
    columns: uses.custom_id || uses.model ? uses : undefined,
    ignore_model: fields.ignore_model?.checked || undefined,
    allow_changes: fields.tools.value === "all" || undefined,
  };
}

/** Return why nothing is sent yet, if the file's beginning shows it already. */
function faultOf(sent) {
  const stops = preview.querySelector("[data-stops]");
  if (stops) return stops.textContent;
  const invalid = Number(preview.querySelector("[data-invalid]")?.dataset.invalid ?? 0);
  if (!invalid || sent.policy === "skip_invalid") return "";
  return `${invalid === 1 ? "A line is" : `${invalid} lines are`} invalid, see above. Correct the file, or choose to skip invalid lines.`;
}

function complain(text) {
  problem.textContent = text;
  problem.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = form.elements;
  const sent = options();
  const schema = fields.response_schema.value.trim();
  try {
    if (schema) sent.response_schema = JSON.parse(schema);
  } catch (error) {
    return complain(`The schema of the answers is not JSON: ${error.message}`);
  }
  const body = new FormData();
  body.append("options", JSON.stringify(sent));
  body.append("file", file.files[0]);
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  await show(); // with what was typed last
  const fault = faultOf(sent);
  if (fault) {
    button.disabled = false;
    return complain(fault);
  }
  try {
    const batch = await send(body);
    location.assign(`/batches/${batch.id}/`);
  } catch (error) {
    explain(problem, error);
    button.disabled = false;
  }
});

/** Send the form and show the upload's progress, which only XMLHttpRequest reports. */
function send(body) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/batches/");
    request.setRequestHeader("X-CSRFToken", token());
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      sending.hidden = false;
      sending.value = event.loaded / event.total;
    };
    request.onerror = () => failed(new Unreachable());
    request.onloadend = () => {
      sending.hidden = true;
      if (request.status === 401) return location.assign("/sign-in/?next=/batches/");
      if (request.status === 202) return done(request.response);
      const answer = request.response ?? {};
      const reasons = Object.entries(answer.errors ?? {}).map(([field, why]) => `${field}: ${why.join(" ")}`);
      if (request.status) failed(new Problem(reasons.join(" ") || answer.detail || `The server answered ${request.status}.`));
    };
    request.send(body);
  });
}

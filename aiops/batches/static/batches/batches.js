// The form of a new batch: previews the chosen file, then uploads it.

import { explain, Problem, Unreachable } from "../web/api.js";

const form = document.getElementById("batch-form");
const file = form.elements.file;
const drop = document.getElementById("drop");
const preview = document.getElementById("preview");
const problem = document.getElementById("batch-problem");
const sending = document.getElementById("sending");
const PREVIEW_BYTES = 262144;
const ROWS = 5;

file.addEventListener("change", show);
for (const type of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", type === "dragover");
    if (type !== "drop" || !event.dataTransfer.files.length) return;
    file.files = event.dataTransfer.files;
    show();
  });
}

async function show() {
  const chosen = file.files[0];
  preview.hidden = !chosen;
  problem.hidden = true;
  if (!chosen) return;
  const text = (await chosen.slice(0, PREVIEW_BYTES).text()).replace(/^\uFEFF/, "");
  const whole = chosen.size <= PREVIEW_BYTES;
  let rows;
  try {
    const name = chosen.name.toLowerCase();
    if (name.endsWith(".json")) rows = fromJson(text, whole);
    else rows = name.endsWith(".csv") ? fromCsv(text, whole) : fromJsonl(text, whole);
  } catch (error) {
    preview.hidden = true;
    return complain(`${chosen.name}: ${error.message}`);
  }
  const columns = [...new Set(rows.slice(0, ROWS).flatMap((row) => Object.keys(row)))];
  const lines = whole ? `${rows.length} line${rows.length === 1 ? "" : "s"}` : rows.length ? "The first lines" : "Too large for a preview; the server reads all";
  document.getElementById("preview-says").textContent = `${lines} of ${chosen.name} (${size(chosen.size)})`;
  fill(preview.querySelector("thead"), "th", [columns]);
  fill(preview.querySelector("tbody"), "td", rows.slice(0, ROWS).map((row) => columns.map((name) => cell(row[name]))));
}

function fill(part, tag, rows) {
  part.replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map((text) => Object.assign(document.createElement(tag), { textContent: text })));
    return line;
  }));
}

const cell = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function fromJson(text, whole) {
  if (!whole) return []; // half a list cannot be read here; the server reads it whole
  const rows = JSON.parse(text);
  if (!Array.isArray(rows)) throw new Error("it is not a JSON list.");
  return rows;
}

function fromJsonl(text, whole) {
  const lines = text.split("\n");
  if (!whole) lines.pop();
  return lines.filter((line) => line.trim()).map((line, n) => {
    try {
      return JSON.parse(line);
    } catch {
      throw new Error(`line ${n + 1} is not JSON.`);
    }
  });
}

function fromCsv(text, whole) {
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    const row = rows.at(-1);
    if (quoted && character === '"' && text[i + 1] === '"') row[row.length - 1] += text[++i];
    else if (character === '"') quoted = !quoted;
    else if (character === "," && !quoted) row.push("");
    else if (character === "\n" && !quoted) rows.push([""]);
    else if (character !== "\r" || quoted) row[row.length - 1] += character;
  }
  const last = rows.pop();
  if (whole && (last.length > 1 || last[0])) rows.push(last);
  const header = rows.shift() ?? [];
  return rows.map((row) => Object.fromEntries(header.map((name, n) => [name.trim(), row[n] ?? ""])));
}

function complain(text) {
  problem.textContent = text;
  problem.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = form.elements;
  const options = { policy: fields.policy.value, max_concurrency: Number(fields.max_concurrency.value) };
  for (const name of ["name", "template", "model"]) if (fields[name].value.trim()) options[name] = fields[name].value;
  const schema = fields.response_schema.value.trim();
  try {
    if (schema) options.response_schema = JSON.parse(schema);
  } catch (error) {
    return complain(`The schema of the answers is not JSON: ${error.message}`);
  }
  const body = new FormData();
  body.append("options", JSON.stringify(options));
  body.append("file", file.files[0]);
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  problem.hidden = true;
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
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
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

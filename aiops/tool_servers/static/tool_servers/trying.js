// Tries a tool that reads: a form made of its schema, and the result.

import { call, explain } from "../web/api.js";

const table = document.getElementById("tools");
const panel = document.getElementById("trial");
const problem = document.getElementById("trial-problem");
const says = document.getElementById("trial-says");
const NUMBERS = ["integer", "number"];
let path = "";
let parameters = null;

/** The type of a parameter, also of one that may be null. */
const typeOf = (schema) => schema.type ?? (schema.anyOf ?? []).map((one) => one.type).find((type) => type && type !== "null");

function input(name, schema) {
  const choices = schema.enum ?? (schema.anyOf ?? []).flatMap((one) => one.enum ?? []);
  const type = typeOf(schema);
  let element = Object.assign(document.createElement("input"), { type: NUMBERS.includes(type) ? "number" : "text" });
  if (choices.length || type === "boolean") {
    element = document.createElement("select");
    for (const choice of ["", ...(choices.length ? choices : ["true", "false"])]) element.append(new Option(choice, choice));
  }
  if (type === "number") element.step = "any";
  element.name = name;
  element.required = (parameters.required ?? []).includes(name);
  if (schema.default !== undefined && schema.default !== null) element.value = String(schema.default);
  const label = document.createElement("label");
  label.append(`${name} `, Object.assign(document.createElement("span"), { className: "muted", textContent: schema.description ?? "" }), element);
  return label;
}

/** A box for all arguments as JSON, for a tool whose schema is too large or too deep for a form. */
function raw() {
  const label = document.createElement("label");
  label.append("Arguments as JSON ", Object.assign(document.createElement("textarea"), { name: "*", rows: 4, value: "{}" }));
  return label;
}

const isSimple = (schema) => ["string", "integer", "number", "boolean"].includes(typeOf(schema)) || schema.enum;

function open(button) {
  path = button.dataset.path;
  parameters = JSON.parse(button.parentElement.querySelector("script").textContent);
  const properties = Object.entries(parameters?.properties ?? {});
  const inputs = parameters && properties.every(([, schema]) => isSimple(schema)) ? properties.map(([name, schema]) => input(name, schema)) : [raw()];
  panel.querySelector("h2").textContent = `Try ${button.dataset.try}`;
  panel.querySelector(".columns").replaceChildren(...inputs);
  problem.hidden = true;
  says.textContent = inputs.length ? "" : "It takes no arguments.";
  panel.querySelector("pre").hidden = true;
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest" });
  (panel.querySelector(".columns input, .columns select, .columns textarea") ?? panel.querySelector("button")).focus();
}

function filled() {
  const written = {};
  for (const element of panel.querySelectorAll(".columns [name]")) {
    if (element.name === "*") return JSON.parse(element.value);
    if (element.value === "") continue;
    const type = typeOf(parameters.properties[element.name]);
    written[element.name] = NUMBERS.includes(type) ? Number(element.value) : type === "boolean" ? element.value === "true" : element.value;
  }
  return written;
}

table?.addEventListener("click", (event) => { if (event.target.dataset.try) open(event.target); });
panel?.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = panel.querySelector("button");
  const result = panel.querySelector("pre");
  problem.hidden = true;
  result.hidden = true;
  button.disabled = true;
  says.textContent = "Calling\u2026";
  try {
    const answer = await call("POST", path, { arguments: filled() });
    says.textContent = `${answer.status === "ok" ? "It answered" : "It failed"} after ${Math.round(answer.ms)} ms:`;
    result.textContent = answer.result;
    result.hidden = false;
    panel.scrollIntoView({ block: "start", behavior: "smooth" });
  } catch (error) {
    says.textContent = "";
    explain(problem, error instanceof SyntaxError ? new Error(`The arguments are not JSON: ${error.message}`) : error);
  } finally {
    button.disabled = false;
  }
});

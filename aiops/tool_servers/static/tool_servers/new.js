// The form of a new tool server: it can be tested before it is saved.

import { call, explain } from "../web/api.js";

const form = document.getElementById("server-form");
const fields = form.elements;
const problem = document.getElementById("server-problem");
const says = document.getElementById("server-says");
const found = document.getElementById("found");

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** Return the pairs that lines like "Name: value" or "NAME=value" make. */
function pairs(text, separator) {
  return Object.fromEntries(lines(text).map((line) => {
    const at = line.indexOf(separator);
    if (at < 1) throw new Error(`Write ${separator === ":" ? "Name: value" : "NAME=value"} in each line; this one is ${JSON.stringify(line)}.`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

function described() {
  const protocol = fields.protocol.value;
  const common = { name: fields.name.value, protocol, place: fields.place.value, required: Boolean(fields.required.value), accept_tools: Boolean(fields.accept_tools?.value) };
  if (protocol === "stdio") return { ...common, command: fields.command.value, args: lines(fields.args.value), env: pairs(fields.env.value, "=") };
  const own = fields.credential.value === "user" ? { credential: "user", credential_header: fields.credential_header.value } : {};
  return { ...common, ...own, url: fields.url.value, headers: pairs(fields.headers.value, ":") };
}

function show() {
  for (const part of form.querySelectorAll("[data-protocol]")) part.hidden = !part.dataset.protocol.split(" ").includes(fields.protocol.value) || ("own" in part.dataset && fields.credential.value !== "user");
}

/** Say what a test found. */
function report({ ok, problem: why, tools }) {
  const offers = fields.credential.value === "user" && fields.protocol.value !== "stdio"
    ? "It answers. Its tools are listed once somebody asks who has entered a credential."
    : `It answers, and offers ${tools.length} tool${tools.length === 1 ? "" : "s"}.`;
  says.textContent = ok ? offers : `It cannot be used: ${why}`;
  says.className = ok ? "" : "problem";
  found.replaceChildren(...tools.map((tool) => {
    const item = document.createElement("li");
    const about = tool.problem ? `refused: ${tool.problem}` : tool.description.split("\n")[0] + (tool.read_only ? "" : " (may change things)");
    item.append(Object.assign(document.createElement("code"), { textContent: tool.name }), ` ${about}`);
    return item;
  }));
}

async function act(button, doing) {
  problem.hidden = true;
  button.disabled = true;
  try {
    await doing();
  } catch (error) {
    says.textContent = "";
    explain(problem, error);
  } finally {
    button.disabled = false;
  }
}

for (const name of ["input", "change"]) form.addEventListener(name, show);
show();
document.getElementById("test").addEventListener("click", (event) => act(event.target, async () => {
  says.className = "";
  says.textContent = "Connecting\u2026";
  found.replaceChildren();
  report(await call("POST", "/api/mcp-servers/test/", described()));
}));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter ?? form, async () => {
    const made = await call("POST", "/api/mcp-servers/", described());
    location.assign(`/tool-servers/${made.id}/`);
  });
});

// The import of another client's configuration: first what would happen, then the import of exactly that.

import { call, explain } from "../web/api.js";

const form = document.getElementById("import-form");
const file = form.elements.file;
const drop = document.getElementById("import-drop");
const problem = document.getElementById("import-problem");
const plan = document.getElementById("import-plan");
const says = document.getElementById("import-says");
const lines = document.getElementById("import-lines");
const buttons = { try: document.getElementById("import-try"), do: document.getElementById("import-do") };
let shown = null; // the file as it was when its plan was shown

file.addEventListener("change", forget);
for (const type of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", type === "dragover");
    if (type !== "drop" || !event.dataTransfer.files.length) return;
    file.files = event.dataTransfer.files;
    forget();
  });
}

function forget() {
  shown = null;
  for (const part of [problem, plan, buttons.do]) part.hidden = true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = file.files[0];
  try {
    forget();
    const content = new File([await chosen.arrayBuffer()], chosen.name);
    if (!(await send(content, true)) || chosen !== file.files[0]) return;
    shown = content;
  } catch {
    explain(problem, new Error(`${chosen.name} cannot be read: choose it again.`));
  }
});

buttons.do.addEventListener("click", () => send(shown, false));

/** Import a file, or only plan it, and show the result; return whether it was accepted. */
async function send(content, isDry) {
  const body = new FormData();
  body.append("file", content);
  body.append("dry_run", String(isDry));
  for (const button of Object.values(buttons)) button.disabled = true;
  problem.hidden = true;
  try {
    show(await call("POST", "/api/mcp-servers/import/", body), isDry);
    return true;
  } catch (error) {
    explain(problem, error);
    return false;
  } finally {
    for (const button of Object.values(buttons)) button.disabled = false;
  }
}

function show(found, isDry) {
  const count = (action) => found.servers.filter((one) => one.action === action).length;
  const created = count("create");
  says.textContent = [
    `${isDry ? "To import" : "Imported"}: ${created}`, `unchanged: ${count("unchanged")}`, `refused: ${count("refused")}`,
  ].join(", ") + (isDry ? ". Nothing is written yet." : ".");
  plan.querySelector("tbody").replaceChildren(...found.servers.map((one) => row(one, isDry)));
  lines.hidden = !found.variables.length;
  lines.querySelector("pre").textContent = found.variables.map((name) => `# ${found.sources[name]}\n${name}=`).join("\n\n");
  plan.hidden = false;
  buttons.do.hidden = !isDry || !created;
  document.getElementById("import-done").hidden = isDry;
}

function row(server, isDry) {
  const line = document.createElement("tr");
  const did = isDry || server.action !== "create" ? server.action : "created";
  const state = Object.assign(document.createElement("span"), { className: "state", textContent: did });
  state.dataset.state = server.action;
  const cells = [server.name || "\u2013", server.was, state, server.reason];
  line.append(...cells.map((content) => {
    const cell = document.createElement("td");
    cell.append(content);
    return cell;
  }));
  line.children[1].className = line.children[3].className = "text";
  return line;
}

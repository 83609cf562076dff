// The card of an approval: a decision about each call, all sent together.

import { call, explain } from "../web/api.js";
import { filled, inputs, isRounded } from "../web/schema_form.js";
import { showTimes } from "../web/times.js";

const MINUTE_MS = 60_000;
const ROUNDED = "A browser cannot hold numbers as large as these: use aiops approvals edit.";

const schemas = (item) => [...item.querySelectorAll(".more[data-for=edit] script")].map((one) => JSON.parse(one.textContent));

/** Show what goes with the choice of one call; the focus stays, because arrow keys go through all choices. */
function choose(item, choice) {
  for (const more of item.querySelectorAll(".more")) more.hidden = !more.dataset.for.split(" ").includes(choice);
  const columns = item.querySelector(".more[data-for=edit] .columns");
  if (choice === "edit" && !columns.children.length) {
    const [schema, given] = schemas(item);
    if (isRounded(given)) columns.textContent = ROUNDED;
    else columns.replaceChildren(...inputs(schema, given));
  }
  for (const field of columns.querySelectorAll("[name]")) field.disabled = choice !== "edit"; // else a hidden field could be required
}

/** Return the decision about one call, as the API takes it. */
function decision(item) {
  const choice = item.querySelector("input[type=radio]:checked").value;
  const made = { id: item.dataset.item, decision: choice };
  if (choice === "edit" && isRounded(schemas(item)[1])) throw new Error(ROUNDED);
  if (choice === "edit") made.arguments = filled(item.querySelector(".more[data-for=edit] .columns"), ...schemas(item));
  const written = { reject: "reason", answer: "text" }[choice];
  const text = written && item.querySelector(`[data-own=${written}]`).value.trim(); // no name: a tool may have it, too
  if (text) made[written] = text;
  const remember = item.querySelector("[data-own=remember]");
  if (remember?.checked && !remember.closest(".more").hidden) made.remember = true;
  return made;
}

function span(ms) {
  const minutes = Math.max(Math.round(ms / MINUTE_MS), 0);
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} days`;
}

function count(form) {
  const left = form.querySelector(".left");
  if (!left || !form.isConnected) return;
  const ms = new Date(left.dataset.until) - Date.now();
  left.textContent = ms > 0 ? ` (${span(ms)} left)` : " (now)";
  setTimeout(() => count(form), MINUTE_MS / 2);
}

/** Make a card work; `done` is called after the decision. */
export function dress(form, done) {
  const problem = form.querySelector(":scope > .problem");
  showTimes(form);
  count(form);
  form.addEventListener("change", (event) => {
    if (event.target.type === "radio") choose(event.target.closest(".call"), event.target.value);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    problem.hidden = true;
    button.disabled = true;
    try {
      const items = [...form.querySelectorAll(".call[data-mine=yes]")].map(decision);
      await call("POST", `/api/approvals/${form.dataset.approval}/decide/`, { items });
      done();
    } catch (error) {
      explain(problem, error instanceof SyntaxError ? new Error(`The arguments are not JSON: ${error.message}`) : error);
      button.disabled = false;
    }
  });
}

for (const form of document.querySelectorAll("main form.approval")) dress(form, () => location.reload());

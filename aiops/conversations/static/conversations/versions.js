// Another version of a turn: an edited question or another answer; and what its reader thinks of an answer.

import { call } from "../web/api.js";
import { ask } from "../web/ask.js";
import { done } from "../web/done.js";
import { attempt } from "./problems.js";
import { Turn } from "./turn.js";
import { add, cutFrom, fetched, follow, list, turnOf, turns } from "./transcript.js";

const main = document.querySelector("main.chat");
const newKey = () => crypto.randomUUID?.() ?? String(Math.random());
const LATER = "What follows moves to the earlier version, too: you can read it there.";
let busy = false;

export const changing = () => busy;

/** Ask in the place of a turn, and show the new turn there. */
async function instead(turn, path, body) {
  const isLast = turn === turns.at(-1) && !list.querySelector("[data-more*=after]");
  if (busy || (!isLast && await ask(LATER, { verb: "Go on" }) === null)) return;
  busy = true;
  try {
    const { run } = await call("POST", path, body, { "Idempotency-Key": newKey() });
    const elements = await fetched(`/c/${main.dataset.conversation}/turns/?run=${run.id}`);
    cutFrom(turn);
    add(new Turn(elements.find((element) => element.matches(".turn"))));
    follow(true);
    document.dispatchEvent(new Event("asked"));
  } finally {
    busy = false;
  }
}

/** Put a box with the question in its place. */
function edit(turn) {
  if (turn.find(".edit")) return;
  const form = document.getElementById("edit-template").content.firstElementChild.cloneNode(true);
  const box = form.querySelector("textarea");
  const bubble = turn.find(".bubble");
  box.value = turn.question;
  bubble.hidden = true;
  bubble.after(form);
  box.style.height = `${Math.min(box.scrollHeight + 2, 320)}px`;
  box.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim()) attempt(() => instead(turn, `/api/messages/${turn.message}/edit/`, { message: box.value }));
  });
}

function leave(turn) {
  turn.find(".edit").remove();
  turn.find(".bubble").hidden = false;
  turn.find("[data-do=edit]").focus();
}

async function rate(button, value) {
  const turn = turnOf(button);
  const path = `/api/runs/${turn.run}/feedback/`;
  if (button.getAttribute("aria-pressed") === "true") {
    await call("DELETE", path);
    return mark(turn, "");
  }
  const reason = value === "down" ? await ask("What is wrong with it? (You may leave this empty.)", { value: "", verb: "Send" }) : "";
  if (reason === null) return;
  await call("POST", path, { value, reason });
  mark(turn, value);
  done("Thank you: this is stored with the run.");
}

function mark(turn, value) {
  for (const one of ["up", "down"]) turn.find(`[data-do=${one}]`).setAttribute("aria-pressed", String(one === value));
}

export const ACTIONS = {
  edit: (button) => edit(turnOf(button)),
  leave: (button) => leave(turnOf(button)),
  retry: (button) => instead(turnOf(button), `/api/runs/${turnOf(button).run}/regenerate/`),
  up: (button) => rate(button, "up"),
  down: (button) => rate(button, "down"),
};

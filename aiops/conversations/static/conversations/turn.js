// One turn on the page: a question, and what the events of its run make of the reply.

import { call, read } from "../web/api.js";
import { dressCode, writeClipboard } from "../web/code.js";
import { showTimes } from "../web/times.js";
import { hideApproval, showApproval } from "./asking.js";
import { chip } from "./attaching.js";

export const ENDED = new Set(["succeeded", "failed", "cancelled", "expired"]);
const SILENT_MS = 5000;
const OVERDUE_MS = 1500; // after so long the server renders no more of an answer until it is whole
const THOUGHT = 160; // characters
const PLAIN = /^[^\n\\`*_~[\]<>&|!]*/; // words that cannot be Markdown
const BLOCKS = ["P", "UL", "OL", "LI", "BLOCKQUOTE", "H1", "H2", "H3", "H4", "H5", "H6"];

export class Turn {
  constructor(element) {
    this.element = element;
    this.waiting = null;
    this.forget();
    this.settle();
  }

  /** Start the answer over. */
  forget() {
    this.said = "";
    this.thought = ""; // the end of what the model thinks before it answers
    this.rendered = 0; // so much of what was said is in the HTML
    this.renderedAt = -Infinity;
    this.continues = false; // whether plain words go on in its last block
  }

  static make({ run, message }, question, attachments) {
    const element = document.getElementById("turn-template").content.firstElementChild.cloneNode(true);
    element.removeAttribute("id"); // its position is not known here
    element.dataset.run = run.id;
    element.dataset.message = message;
    element.dataset.state = "queued";
    element.querySelector(".bubble").textContent = question;
    element.querySelector(".attached").replaceChildren(...attachments.map(chip));
    element.querySelector(".when time").dateTime = new Date().toISOString();
    showTimes(element);
    return new Turn(element);
  }

  /** Screen readers wait with an answer until it is whole; then its code gets its buttons. */
  settle() {
    this.element.setAttribute("aria-busy", String(!this.ended));
    if (this.ended) dressCode(this.element);
  }

  get run() { return this.element.dataset.run; }
  get message() { return this.element.dataset.message; }
  get ended() { return ENDED.has(this.element.dataset.state); }
  get question() { return this.find(".bubble").textContent; }

  find(selector) { return this.element.querySelector(selector); }

  say(text) { this.find(".status").textContent = text; }

  /** Clear what is shown: the stream is about to repeat it all. */
  reset() {
    this.forget();
    this.find(".answer").replaceChildren();
    this.find(".steps").replaceChildren();
    this.find(".notices").replaceChildren();
    hideApproval(this);
  }

  /** Say what the run waits for, while no worker has taken it. */
  watchForWorker() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(async () => {
      if (this.element.dataset.state !== "queued") return;
      const place = await read(`/runs/${this.run}/place/`).catch(() => "");
      if (place && this.element.dataset.state === "queued") this.say(place);
      this.watchForWorker();
    }, SILENT_MS);
  }

  on(type, data) {
    if (type === "message.delta") this.said += data.text;
    if (data.html !== undefined) this.render(data);
    HANDLERS[type]?.(this, data);
  }

  render({ html, unrendered = "", continues = false }) {
    this.find(".answer").innerHTML = html; // sanitised by the server
    this.rendered = this.said.length - unrendered.length;
    this.renderedAt = performance.now();
    this.continues = continues;
  }

  end(state, text = "") {
    clearTimeout(this.waiting);
    this.element.dataset.state = state;
    this.settle();
    this.say(text);
    hideApproval(this);
    for (const step of this.element.querySelectorAll(".step[data-status=running]")) step.dataset.status = "unknown";
  }

  step(callId) { return this.find(`.step[data-call="${CSS.escape(callId)}"]`); }
}

/** The innermost block at the end of an answer: where its last words are. */
function lastBlock(answer) {
  let block = answer;
  while (BLOCKS.includes(block.lastElementChild?.tagName)) block = block.lastElementChild;
  return block;
}

/** Show the words that are not rendered yet: those that go on in the last block for sure, or all as they are when rendering is overdue. */
function show(turn) {
  const answer = turn.find(".answer");
  const words = turn.said.slice(turn.rendered);
  const overdue = performance.now() - turn.renderedAt > OVERDUE_MS;
  if (!overdue && !turn.continues) return;
  let tail = answer.querySelector(overdue ? ":scope > .raw" : ".tail");
  if (!tail) {
    answer.querySelector(".tail")?.remove();
    tail = Object.assign(document.createElement(overdue ? "div" : "span"), { className: overdue ? "raw" : "tail" });
    (overdue ? answer : lastBlock(answer)).append(tail);
  }
  const blank = overdue ? "" : turn.said.slice(0, turn.rendered).match(/ *$/)[0]; // the server's HTML ends without it
  tail.textContent = overdue ? words : blank + words.match(PLAIN)[0];
}

function notice(turn, text) {
  if ([...turn.find(".notices").children].some((item) => item.textContent === text)) return; // shown by an earlier attempt
  const item = document.createElement("li");
  item.textContent = text;
  turn.find(".notices").append(item);
}

const amount = (number) => String(Math.round(number * 100) / 100);

const HANDLERS = {
  "run.queued": (turn, data) => turn.say(data.ahead ? `Waiting behind ${data.ahead} of yours…` : "Queued…"),
  "run.started": (turn, data) => {
    turn.element.dataset.state = "running";
    hideApproval(turn);
    turn.say(data.attempt > 1 ? "Resuming after a lost worker…" : "Thinking…");
  },
  "message.thinking": (turn, data) => {
    turn.thought = (turn.thought + data.text).slice(-THOUGHT);
    turn.say(`Thinking: ${turn.thought.split("\n").filter((line) => line.trim()).at(-1) ?? "…"}`);
  },
  "message.delta": (turn, data) => { turn.say(""); if (data.html === undefined) show(turn); },
  "message.reset": (turn, data) => {
    turn.forget();
    turn.find(".answer").replaceChildren();
    turn.say(data.reason === "model_retry" ? "The model failed; trying again…" : "Resuming…");
  },
  "message.completed": (turn, data) => {
    if (data.html !== undefined) return;
    turn.find(".answer").replaceChildren();
    turn.forget();
    turn.said = data.text;
    show(turn);
    turn.long = true; // more than an event holds: the page has it all
  },
  "tool.started": (turn, data) => {
    turn.step(data.call_id)?.remove();
    const step = document.getElementById("step-template").content.firstElementChild.cloneNode(true);
    step.dataset.call = data.call_id;
    step.dataset.status = "running";
    step.dataset.tool = data.tool;
    step.querySelector(".name").textContent = [data.server, data.tool].filter(Boolean).join(" · ");
    step.querySelector(".arguments").textContent = JSON.stringify(data.arguments, null, 2);
    turn.find(".steps").append(step);
    turn.say(`Using ${data.tool}…`);
  },
  "tool.progress": (turn, data) => {
    const step = turn.step(data.call_id);
    if (!step) return;
    step.querySelector(".time").textContent = data.total ? `${amount(data.progress)} of ${amount(data.total)}` : amount(data.progress);
    if (data.text) step.querySelector(".result").textContent = data.text;
    turn.say(`Using ${step.dataset.tool}: ${data.text || step.querySelector(".time").textContent}`);
  },
  "tool.finished": (turn, data) => {
    const step = turn.step(data.call_id);
    if (!step) return;
    step.dataset.status = data.status;
    step.querySelector(".time").textContent = `${Math.round(data.ms)} ms`;
    step.querySelector(".result").textContent = data.preview;
    turn.say("Thinking…");
  },
  "run.waiting_approval": (turn) => {
    turn.element.dataset.state = "waiting_approval";
    turn.say("Waiting for a decision\u2026");
    showApproval(turn);
  },
  "approval.decided": (turn, data) => {
    const isOpen = data.items.some((item) => item.state === "pending");
    if (isOpen) return showApproval(turn);
    hideApproval(turn);
    turn.element.dataset.state = "queued";
    turn.say("Decided: it goes on\u2026");
    turn.watchForWorker();
  },
  "run.requeued": (turn, data) => {
    turn.element.dataset.state = "queued";
    turn.say(data.reason === "drained" ? "The worker is stopping; another one resumes…" : "The worker was lost; another one resumes…");
    turn.watchForWorker();
  },
  notice: (turn, data) => notice(turn, data.text),
  resync: (turn) => turn.reset(),
  "run.succeeded": (turn, data) => {
    turn.end("succeeded");
    if (turn.long) location.reload();
    turn.find(".meta").textContent = data.usage?.model ?? "";
  },
  "run.failed": (turn, data) => {
    turn.end("failed");
    const problem = turn.find(".problem");
    problem.textContent = data.error?.detail ?? "The run failed.";
    problem.hidden = false;
  },
  "run.cancelled": (turn) => {
    turn.end("cancelled");
    turn.find(".meta").textContent = "Stopped.";
  },
  "run.expired": (turn) => {
    turn.end("expired");
    turn.find(".meta").textContent = "Expired before it began.";
  },
};

export const EVENT_TYPES = Object.keys(HANDLERS);

export async function copyAnswer(turn) {
  const run = await call("GET", `/api/runs/${turn.run}/`);
  const text = run.answer ?? run.partial ?? "";
  if (!text) throw new Error("There is no answer to copy.");
  return writeClipboard(text);
}

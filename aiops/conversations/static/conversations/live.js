// The page's one stream: follows the first unfinished run, then the next; none while the tab is hidden.

import { call } from "../web/api.js";
import { EVENT_TYPES } from "./turn.js";

const HIDDEN_MS = 20000;

export class Live {
  constructor({ turns, changed, connection }) {
    this.turns = turns; // () => [Turn]
    this.changed = changed; // called after every event
    this.connection = connection; // called with true or false
    this.source = null;
    this.turn = null;
    this.hiding = null;
    document.addEventListener("visibilitychange", () => this.visibility());
  }

  visibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.close(), HIDDEN_MS);
    else this.follow();
  }

  /** Start to follow the first unfinished run, unless it is followed already. */
  follow() {
    if (this.source && this.turn && !this.turn.ended) return;
    this.close();
    this.turn = this.turns().find((turn) => !turn.ended) ?? null;
    if (!this.turn) this.connection(true); // without a stream none can be lost
    else if (!document.hidden) this.open(this.turn);
  }

  open(turn) {
    const source = new EventSource(`/api/runs/${turn.run}/events?render=html`);
    let fresh = true;
    this.source = source;
    turn.watchForWorker();
    source.onopen = () => {
      this.connection(true);
      if (fresh) turn.reset();
      fresh = false;
    };
    source.onerror = () => {
      if (turn.ended) return this.follow();
      this.connection(false);
      if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
      setTimeout(() => this.again(source, turn), 2000);
    };
    for (const type of EVENT_TYPES) {
      source.addEventListener(type, (event) => {
        turn.on(type, JSON.parse(event.data));
        this.changed(turn);
        if (turn.ended) this.follow();
      });
    }
  }

  /** Reopen a refused stream, unless the run is gone; a browser that is signed out is sent to sign in. */
  async again(source, turn) {
    if (this.source !== source) return;
    const failed = await call("GET", `/api/runs/${turn.run}/`).then(() => null, (error) => error);
    if (failed?.status === 404) turn.end("cancelled", "This run was deleted.");
    this.source = null;
    this.follow();
  }

  close() {
    this.source?.close();
    this.source = null;
  }
}

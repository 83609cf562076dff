// Keeps parts of a page current: elements with data-refresh (a path) are fetched again, more seldom while nothing
// changes (or every data-every-s seconds), and not while the page is hidden. A part that says data-final is complete
// and is left alone.
import { showTimes } from "./times.js";

const FIRST_MS = 2000;
const MOST_MS = 20000;
const STEP = 1.4;

class Part {
  constructor(element) {
    this.element = element;
    this.latest = null;
    this.every = Number(element.dataset.everyS) * 1000 || null;
    this.wait = FIRST_MS;
    this.timer = null;
    this.plan();
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.timer);
      if (!document.hidden) this.refresh();
    });
  }

  plan() {
    clearTimeout(this.timer);
    if (!document.hidden && !this.element.querySelector("[data-final]")) this.timer = setTimeout(() => this.refresh(), this.wait);
  }

  async refresh() {
    try {
      const response = await fetch(this.element.dataset.refresh, { headers: { "HX-Request": "true" } });
      if (response.redirected) { // reloading by itself would lose what is typed elsewhere on the page
        this.element.dataset.signedOut = "";
        return;
      }
      if (!response.ok) throw new Error(String(response.status));
      this.show(await response.text());
      delete this.element.dataset.outdated;
    } catch {
      this.element.dataset.outdated = "";
      this.wait = MOST_MS;
    }
    this.plan();
  }

  show(html) {
    const isNew = html !== this.latest;
    this.wait = this.every ?? (isNew ? FIRST_MS : Math.min(this.wait * STEP, MOST_MS));
    if (!isNew) return;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    if (focused?.matches("input, select, textarea")) return; // the reader is typing here
    const opened = [...this.element.querySelectorAll("details[open][id]")].map((one) => one.id);
    this.latest = html;
    this.element.innerHTML = html; // rendered and escaped by the server
    opened.forEach((id) => this.element.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", ""));
    const link = focused?.getAttribute("href");
    if (link) this.element.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus();
    showTimes(this.element);
    this.element.dispatchEvent(new Event("refreshed", { bubbles: true }));
  }
}

const parts = new Map([...document.querySelectorAll("[data-refresh]")].map((element) => [element, new Part(element)]));

/** Refresh all parts now: something was changed. */
export function refreshNow() {
  for (const part of parts.values()) {
    part.wait = FIRST_MS;
    part.refresh();
  }
}

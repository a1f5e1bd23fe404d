// The messages of a conversation on screen: in the order of their ids, and at their end while somebody reads there.

import { MessageView } from "./message.js";

const TYPING_MS = 20_000;

/**
 * `parts`: list, scroll, latest, typing, question, announce. `act` as in message.js.
 * `on`: settled(thread) after each change, asked() when an own message is new or edited, dropped(id), arrived(id) when the bot has
 * said something.
 */
export class Thread {
  constructor(parts, act, on) {
    this.parts = parts;
    this.act = act;
    this.on = on;
    this.views = new Map();
    this.pinned = true;
    this.timer = 0;
    this.clear();
    parts.scroll.addEventListener("scroll", () => {
      const box = parts.scroll;
      this.pinned = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      parts.latest.hidden = this.pinned;
    });
    parts.latest.addEventListener("click", () => {
      this.toBottom(true);
      parts.question.focus();
    });
    new ResizeObserver(() => this.toBottom()).observe(parts.scroll);
  }

  /** Show nothing, until a conversation comes. */
  clear() {
    this.whole = false;
    this.views.clear();
    this.parts.list.replaceChildren();
    this.parts.list.setAttribute("aria-busy", "true");
    this.parts.typing.hidden = true;
  }

  get shown() {
    return [...this.views.values()].map((view) => view.shown);
  }

  /** What the person asked last, undefined where they have not. */
  get lastOwn() {
    return this.shown.filter(({ sender }) => sender === "user").at(-1);
  }

  get works() {
    const streams = this.shown.some(({ sender, state }) => sender === "bot" && state !== "final");
    return streams || !this.parts.typing.hidden;
  }

  // What the server tells

  replace(messages) {
    const kept = new Set(messages.map(({ id }) => id));
    for (const id of [...this.views.keys()]) if (!kept.has(id)) this.drop(id);
    for (const shown of messages) this.put(shown);
    this.whole = true;
    this.parts.list.removeAttribute("aria-busy");
    this.on.settled(this);
    this.toBottom(true);
  }

  take(shown) {
    const before = this.views.get(shown.id)?.shown;
    this.put(shown);
    if (shown.sender === "bot") {
      this.parts.typing.hidden = true;
      if (shown.state === "final" && (!before || before.state !== "final" || before.text !== shown.text)) this.speak(shown);
    } else if (!before || shown.edited) this.on.asked();
    this.on.settled(this);
    if (shown.sender === "bot" && shown.state === "final" && before?.state !== "final") this.on.arrived(shown.id);
  }

  remove(id) {
    this.drop(id);
    this.on.settled(this);
  }

  type() {
    this.parts.typing.hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.rest(), TYPING_MS);
    this.on.settled(this);
  }

  rest() {
    this.parts.typing.hidden = true;
    this.on.settled(this);
  }

  // What is drawn

  put(shown) {
    const near = this.pinned;
    const view = this.views.get(shown.id);
    if (view) view.update(shown);
    else {
      const made = new MessageView(shown, this.act);
      const after = [...this.views].find(([id]) => Number(id) > Number(shown.id));
      this.views.set(shown.id, made);
      this.parts.list.insertBefore(made.root, after ? after[1].root : null);
    }
    if (near || shown.sender === "user") this.toBottom(true);
  }

  drop(id) {
    const view = this.views.get(id);
    if (!view) return;
    if (view.root.contains(document.activeElement)) this.parts.question.focus();
    view.root.remove();
    this.views.delete(id);
    this.on.dropped(id);
  }

  speak(shown) {
    const sources = shown.citations?.length ? ` ${shown.citations.length} sources.` : "";
    const words = shown.text || shown.cards?.[0]?.fallbackText || "A card.";
    this.parts.announce.textContent = `askpage: ${words.replace(/\s*\[\d+\]/g, "")}${sources}`;
  }

  /** Bring a message into view, for whoever followed a link to it. */
  reveal(id) {
    const view = this.views.get(id);
    if (!view) return;
    this.pinned = false;
    view.root.setAttribute("tabindex", "-1");
    view.root.classList.add("revealed");
    view.root.scrollIntoView({ block: "center" });
    view.root.focus({ preventScroll: true });
  }

  /** Show where a message begins that is taller than the room for it. */
  showStart(id) {
    const { scroll } = this.parts;
    const top = this.views.get(id).root.getBoundingClientRect().top - scroll.getBoundingClientRect().top;
    if (!this.pinned || top >= 0) return;
    this.pinned = false;
    scroll.scrollTop += top - 8;
  }

  toBottom(anyway = false) {
    if (anyway) this.pinned = true;
    if (this.pinned) this.parts.scroll.scrollTop = this.parts.scroll.scrollHeight;
  }
}

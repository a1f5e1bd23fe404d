// One message of the conversation. Only what changed is drawn again, so focus and half-written comments survive.

import { cardElement } from "./cards.js";
import { element, icon } from "./element.js";
import { Feedback } from "./feedback.js";
import { language, say } from "./language.js";
import { besideQuotation, quotationElement, quotationIn, quotationText, textBlocks } from "./lines.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const LOGO = new URL("logo.svg", import.meta.url).href;
const MARKER = /\[(\d{1,2})\]/g;
const clock = new Intl.DateTimeFormat(language === "en" ? undefined : language, { hour: "numeric", minute: "2-digit" });

/**
 * `act`: edit(shown), erase(shown), again(shown), form(shown, reaction), thumb(shown, reaction, said), react(shown, name, on), open(url), submit(shown, data),
 * execute(shown, action), say(text).
 */
export class MessageView {
  constructor(shown, act) {
    this.act = act;
    this.body = element("div", { class: "body" });
    this.cards = element("div", { class: "cards" });
    this.foot = element("div", { class: "foot" });
    this.root = element("li", { class: `message from-${shown.sender}`, "data-id": shown.id });
    const who = element("span", { class: "unseen" }, shown.sender === "bot" ? say("askpage says:") : say("You asked:"));
    const column = element("div", { class: "content" }, who, this.body, this.cards, this.foot);
    if (shown.sender === "bot") {
      this.root.append(element("img", { src: LOGO, alt: "", class: "speaker", width: 28, height: 28 }));
      this.feedback = new Feedback(act);
      column.append(this.feedback.form);
    }
    this.root.append(column);
    this.drawn = {};
    this.update(shown);
  }

  update(shown) {
    this.shown = shown;
    const streaming = shown.state !== "final" && shown.sender === "bot";
    this.root.classList.toggle("streaming", streaming);
    this.root.classList.toggle("informative", shown.state === "informative");
    this.root.classList.toggle("failed", Boolean(shown.failed));
    this.part("body", [shown.text, shown.state, shown.citations, shown.files, quotationIn(shown)], () => this.drawBody(shown, streaming));
    this.part("cards", shown.cards ?? [], () => this.drawCards(shown));
    this.part("foot", { ...shown, text: undefined, cards: undefined }, () => this.drawFoot(shown, streaming));
  }

  part(name, values, draw) {
    const now = JSON.stringify(values);
    if (this.drawn[name] === now) return;
    this.drawn[name] = now;
    const held = this[name].contains(document.activeElement) ? document.activeElement.dataset.key : null;
    draw();
    if (held?.startsWith("pick-")) this.feedback.openMenu();
    if (held) this[name].querySelector(`[data-key="${held}"]`)?.focus();
  }

  drawBody(shown, streaming) {
    clearInterval(this.growing);
    if (!streaming) {
      const quotation = quotationIn(shown);
      const words = paragraphs(shown.text, shown.citations ?? [], this.act.open);
      if (quotation) words[0]?.classList.add("lead-in");
      this.body.replaceChildren(...fileNames(shown.files ?? []), ...words, ...(quotation ? [quotationElement(quotation)] : []));
      this.line = null;
      return;
    }
    if (!this.line) {
      this.line = element("p", { class: "growing" });
      this.body.replaceChildren(this.line);
    }
    this.grow(shown.text);
  }

  // Updates come about once a second: let the text flow in between instead of jumping.
  grow(text) {
    const before = this.line.textContent;
    if (still.matches || this.shown.state === "informative" || !text.startsWith(before)) {
      this.line.textContent = text;
      return;
    }
    const step = Math.max(1, Math.ceil((text.length - before.length) / 24));
    this.growing = setInterval(() => {
      const length = this.line.textContent.length + step;
      this.line.textContent = text.slice(0, length);
      this.act.grown();
      if (length >= text.length) clearInterval(this.growing);
    }, 25);
  }

  drawCards(shown) {
    const act = {
      open: (url) => this.act.open(this.quoted(url)),
      submit: (data) => this.act.submit(this.shown, data),
      execute: (action) => this.act.execute(this.shown, action),
    };
    const all = shown.cards ?? [];
    const cards = quotationIn(shown) ? all.map(besideQuotation).filter((card) => card) : all;
    this.cards.replaceChildren(...cards.map((card) => cardElement(card, act)));
  }

  // The citation to the same place knows the words that stand there; the card's button does not.
  quoted(url) {
    const same = (one) => one.url && one.url.replace(/\?[^#]*/, "") === url;
    return this.shown.citations?.find(same)?.url ?? url;
  }

  drawFoot(shown, streaming) {
    this.foot.replaceChildren();
    if (streaming) return;
    if (shown.sender === "user") this.foot.append(...this.ownButtons(shown));
    else this.foot.append(...this.answerButtons(shown));
  }

  ownButtons(shown) {
    const time = element("time", { datetime: shown.at }, clock.format(new Date(shown.at)));
    const parts = [
      small("again", say("Ask this again"), "ask-again", () => this.act.say(shown.text)),
      small("pencil", say("Edit this question"), "edit", () => this.act.edit(shown)),
      small("trash", say("Delete this question"), "erase", () => this.act.erase(shown)),
      element("span", { class: "meta" }, shown.edited ? say("Edited") + " · " : "", time),
    ];
    if (shown.failed) {
      const again = shown.files ? say("Please send the file again.") : element("button", { class: "text-button", type: "button", "data-key": "again", onclick: () => this.act.again(shown) }, say("Send again"));
      parts.unshift(element("span", { class: "failure", role: "alert" }, shown.failed, " ", again));
    }
    return parts;
  }

  answerButtons(shown) {
    const parts = [];
    if (shown.ai) parts.push(element("span", { class: "label" }, icon("spark"), quotationIn(shown) ? say("Found by AI") : say("AI-generated")));
    if (shown.loop) parts.push(...this.feedback.thumbs(shown));
    if (shown.text) parts.push(this.feedback.reactions(shown), this.copyButton(shown), this.act.linkTo ? this.linkButton(shown) : "");
    if (shown.stopped) parts.push(element("span", { class: "meta" }, say("Stopped")));
    parts.push(element("time", { class: "meta", datetime: shown.at }, clock.format(new Date(shown.at))));
    const choices = (shown.choices ?? []).map((choice) =>
      element("button", { class: "chip", type: "button", onclick: () => this.act.say(choice.text) }, choice.title),
    );
    return choices.length ? [...parts, element("div", { class: "choices" }, ...choices)] : parts;
  }

  linkButton(shown) {
    const button = small("link", say("Copy a link to this answer"), "link", async () => {
      const done = await navigator.clipboard.writeText(this.act.linkTo(shown)).then(() => true, () => false);
      button.replaceChildren(icon(done ? "check" : "close"));
      this.act.announce(done ? say("The link is copied. It opens on this machine.") : say("The browser did not allow copying."));
      setTimeout(() => button.replaceChildren(icon("link")), 1600);
    });
    return button;
  }

  copyButton(shown) {
    const button = small("copy", say("Copy the answer"), "copy", async () => {
      const sources = (shown.citations ?? []).map((one) => `[${one.position}] ${one.name} ${address(one.url)}`.trim());
      const quotation = quotationIn(shown);
      const text = [shown.text, ...(quotation ? [quotationText(quotation), ""] : []), ...sources].join("\n");
      const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
      button.replaceChildren(icon(done ? "check" : "close"));
      this.act.announce(done ? say("The answer is copied.") : say("The browser did not allow copying."));
      setTimeout(() => button.replaceChildren(icon("copy")), 1600);
    });
    return button;
  }
}

function small(name, label, key, onclick) {
  return element("button", { class: "icon-button", type: "button", title: label, "aria-label": label, "data-key": key, onclick }, icon(name));
}

function address(url) {
  return url ? new URL(url.replace(/\?quote=[^#]*/, ""), location.href).href : "";
}

/** Text as paragraphs, lines and lists; [n] becomes a link where there is a citation n. */
function fileNames(names) {
  return names.length ? [element("ul", { class: "files", "aria-label": say("Files") }, ...names.map((name) => element("li", {}, name)))] : [];
}

function paragraphs(text, citations, open) {
  const byPosition = new Map(citations.map((one) => [one.position, one]));
  return text
    .split(/\n{2,}/)
    .filter((part) => part.trim())
    .flatMap((part) => textBlocks(part, (words) => [...withMarkers(words, byPosition, open)]));
}

function* withMarkers(text, byPosition, open) {
  let end = 0;
  for (const found of text.matchAll(MARKER)) {
    const citation = byPosition.get(Number(found[1]));
    if (!citation) continue;
    yield text.slice(end, found.index);
    yield marker(citation, open);
    end = found.index + found[0].length;
  }
  yield text.slice(end);
}

function marker(citation, open) {
  const values = { number: citation.position, name: citation.name };
  const label = citation.url ? say("Source {number}: {name}, opens the page", values) : say("Source {number}: {name}", values);
  const inside = [
    element("span", { "aria-hidden": "true" }, String(citation.position)),
    element("span", { class: "unseen" }, label),
    element(
      "span",
      { class: "peek", "aria-hidden": "true" },
      element("strong", {}, citation.name),
      citation.text ? element("span", {}, `“${citation.text}”`) : null,
    ),
  ];
  if (!citation.url) return element("span", { class: "cite" }, ...inside);
  const link = element("a", { class: "cite", href: citation.url, target: "_blank", rel: "noopener noreferrer" }, ...inside);
  link.addEventListener("mouseenter", () => keepInside(link));
  link.addEventListener("focus", () => keepInside(link));
  return link;
}

// The preview hangs below its marker (above it near the lower edge), moved so that it does not leave the column.
function keepInside(link) {
  const room = link.closest(".scroll").getBoundingClientRect().bottom - link.getBoundingClientRect().bottom;
  link.classList.toggle("peek-above", room < 150);
  const column = link.closest(".content").getBoundingClientRect();
  const peek = link.querySelector(".peek");
  const width = Math.min(320, column.width);
  const left = Math.max(column.left, Math.min(link.getBoundingClientRect().left - 16, column.right - width));
  peek.style.width = `${width}px`;
  peek.style.left = `${left - link.getBoundingClientRect().left}px`;
}

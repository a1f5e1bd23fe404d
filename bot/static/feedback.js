// What a person thinks of an answer: thumbs with a small form, and reactions.

import { cardElement } from "./cards.js";
import { element, face, icon } from "./element.js";
import { say } from "./language.js";

export const REACTIONS = { like: say("Like"), heart: say("Heart"), laugh: say("Laugh"), surprised: say("Surprised"), sad: say("Sad"), angry: say("Angry") };

const QUESTIONS = {
  like: {
    title: say("What was good about it?"),
    reasons: { clear: say("Clear"), complete: say("Complete"), good_source: say("Good source"), saved_time: say("Saved me time") },
  },
  dislike: {
    title: say("What went wrong?"),
    reasons: { wrong: say("Not correct"), outdated: say("Out of date"), incomplete: say("Incomplete"), wrong_source: say("Wrong source"), on_the_page: say("It is on the page") },
  },
};

export class Feedback {
  constructor(act) {
    this.act = act;
    this.form = element("form", { class: "thumb-form", hidden: true });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  thumbs(shown) {
    return Object.entries({ like: ["thumbUp", say("Good answer")], dislike: ["thumbDown", say("Bad answer")] }).map(([name, [picture, label]]) =>
      element(
        "button",
        {
          class: "icon-button thumb",
          type: "button",
          title: label,
          "aria-label": label,
          "aria-pressed": String(shown.thumb?.reaction === name),
          "data-key": name,
          onclick: (event) => this.ask(shown, name, event.currentTarget.dataset.key),
        },
        icon(picture),
      ),
    );
  }

  ask(shown, name, key) {
    this.opener = key;
    if (shown.own_form) this.askWithCard(shown, name);
    else this.askWithReasons(shown, name);
  }

  /** Ask with the bot's own form, which is an Adaptive Card. */
  async askWithCard(shown, name) {
    const card = await this.act.form(shown, name);
    if (!card) return;
    const submit = async (said) => {
      if (await this.act.thumb(shown, name, said)) this.close();
    };
    const cancel = element("button", { type: "button", onclick: () => this.close() }, say("Cancel"));
    this.form.replaceChildren(cardElement(card, { submit, open: this.act.open }), element("div", { class: "form-buttons" }, cancel));
    this.form.onsubmit = (event) => event.preventDefault();
    this.form.setAttribute("aria-label", card.fallbackText);
    this.form.hidden = false;
    (this.form.querySelector("textarea") ?? this.form.querySelector("input"))?.focus({ preventScroll: true });
    this.form.scrollIntoView({ block: "nearest" });
  }

  askWithReasons(shown, name) {
    const { title, reasons } = QUESTIONS[name];
    const before = shown.thumb?.reaction === name ? shown.thumb : {};
    const heading = `thumb-${shown.id}`;
    const boxes = Object.entries(reasons).map(([value, words]) =>
      element(
        "label",
        { class: "reason" },
        element("input", { type: "checkbox", value, checked: before.reasons?.includes(value) }),
        element("span", {}, words),
      ),
    );
    const text = element("textarea", { rows: 2, maxlength: 2000, "aria-label": say("In your words (optional)"), placeholder: say("In your words (optional)") });
    text.value = before.text ?? "";
    this.form.removeAttribute("aria-label");
    this.form.replaceChildren(
      element("fieldset", {}, element("legend", { id: heading }, title), element("div", { class: "reasons" }, ...boxes)),
      text,
      element(
        "div",
        { class: "form-buttons" },
        element("span", { class: "note" }, say("Reviewers read this.")),
        element("button", { type: "button", onclick: () => this.close() }, say("Cancel")),
        element("button", { type: "submit", class: "primary" }, say("Send feedback")),
      ),
    );
    this.form.onsubmit = async (event) => {
      event.preventDefault();
      const chosen = boxes.map((box) => box.firstChild).filter((box) => box.checked).map((box) => box.value);
      const sent = await this.act.thumb(shown, name, { feedbackText: text.value.trim(), reasons: chosen });
      if (sent) this.close();
    };
    this.form.hidden = false;
    this.form.setAttribute("aria-labelledby", heading);
    text.focus({ preventScroll: true });
    this.form.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.form.hidden = true;
    this.form.parentElement?.querySelector(`[data-key="${this.opener}"]`)?.focus();
  }

  /** The reactions given, and the button that offers all of them. */
  reactions(shown) {
    const given = (shown.reactions ?? []).map((name) =>
      element(
        "button",
        {
          class: "reaction-given",
          type: "button",
          title: say("Remove: {name}", { name: REACTIONS[name] }),
          "aria-label": say("You reacted with {name}. Remove it", { name: REACTIONS[name] }),
          "data-key": `given-${name}`,
          onclick: () => this.act.react(shown, name, false),
        },
        face(name),
        "1",
      ),
    );
    const menu = element("div", { class: "reaction-menu", role: "menu", "aria-label": say("Reactions"), hidden: true });
    const opener = element(
      "button",
      { class: "icon-button", type: "button", title: say("React"), "aria-label": say("React"), "aria-haspopup": "menu", "aria-expanded": "false", "data-key": "react" },
      icon("smile"),
    );
    let pinned = false; // opened by a click or a key, not by passing over it
    const show = (open) => {
      pinned = pinned && open;
      menu.hidden = !open;
      if (open) keepInside(menu, opener);
      opener.setAttribute("aria-expanded", String(open));
    };
    menu.append(
      ...Object.entries(REACTIONS).map(([name, label]) =>
        element(
          "button",
          {
            type: "button",
            role: "menuitemcheckbox",
            title: label,
            "aria-label": label,
            "aria-checked": String(Boolean(shown.reactions?.includes(name))),
            tabindex: -1,
            "data-key": `pick-${name}`,
            onclick: () => {
              show(false);
              opener.focus();
              this.act.react(shown, name, !shown.reactions?.includes(name));
            },
          },
          face(name),
        ),
      ),
    );
    this.openMenu = () => {
      show(true);
      pinned = true;
    };
    opener.addEventListener("click", () => {
      if (pinned) return show(false);
      this.openMenu();
      menu.firstChild.focus();
    });
    const group = element("span", { class: "react" }, ...given, opener, menu);
    group.addEventListener("mouseleave", () => {
      if (!menu.contains(document.activeElement)) show(false);
    });
    opener.addEventListener("mouseenter", () => show(true));
    group.addEventListener("focusout", (event) => {
      if (!group.contains(event.relatedTarget)) show(false);
    });
    menu.addEventListener("keydown", (event) => walk(event, menu, opener, show));
    return group;
  }
}

// The menu stands over its button, moved so that it does not leave the column.
function keepInside(menu, opener) {
  const column = menu.closest(".content").getBoundingClientRect();
  const button = opener.getBoundingClientRect();
  const wish = button.left + button.width / 2 - menu.offsetWidth / 2;
  const left = Math.max(column.left, Math.min(wish, column.right - menu.offsetWidth));
  menu.style.left = `${left - menu.parentElement.getBoundingClientRect().left}px`;
}

function walk(event, menu, opener, show) {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  } else if (event.key === "Escape") {
    show(false);
    opener.focus();
  }
}

// A review and a verified answer, drawn: what was asked and said, where it stands, what can be done, the history.

import { element } from "./element.js";
import { day, when, withDates } from "./dates.js";
import { number, say, sayCount } from "./language.js";

/** Draw what waits for a review; `on` has press(action, fields), pressAll(action, fields, others) and open(id). */
export function drawReview(review, on) {
  const ticked = () => [...node.querySelectorAll(".alike input:checked")].map((box) => review.alike.find(({ id }) => id === box.value));
  const node = element(
    "article",
    {},
    element("p", { class: "why" }, say("Why: {why}", { why: review.why.join("; ") })),
    ...review.state.map((sentence) => element("p", { class: "state" }, withDates(sentence))),
    review.doubt && element("div", { class: "doubt" }, element("p", {}, element("strong", {}, say("The page says this. Does it answer the question?"))), place(review.doubt)),
    element("h3", {}, say("Question")),
    element("p", { class: "question" }, review.question),
    review.preview && element("p", { class: "basis" }, review.preview),
    element("h3", {}, review.said),
    element("div", { class: `said-${review.kind}` }, ...lines(review.text, review.marked)),
    ...(review.places.length ? [element("h3", {}, review.kind === "answered" ? say("Based on") : say("Source, and other places to look")), ...review.places.map(place)] : []),
    ...(review.served.length ? [element("h3", {}, say("Already served for the same question")), ...review.served.map((one) => rival(one, on))] : []),
    ...(review.feedback.length ? [element("h3", {}, say("What people said")), ...review.feedback.map((sentence) => element("p", {}, sentence))] : []),
    ...review.skips.map((sentence) => element("p", { class: "basis" }, withDates(sentence))),
    review.alike.length ? alike(review.alike) : null,
    actions(review.actions, (action, fields) => {
      const others = ticked();
      return others.length && RULINGS.includes(action.verb) ? on.pressAll(action, fields, others) : on.press(action, fields);
    }),
    review.passages.length ? element("details", { class: "more" }, element("summary", {}, say("What the pages say")), ...review.passages.map((one) => element("section", {}, element("h4", {}, one.name), element("p", { class: "passage" }, one.text)))) : null,
    element("details", { class: "more" }, element("summary", {}, say("Details")), element("p", { class: "basis" }, withDates(review.details))),
  );
  return node;
}

export const RULINGS = ["review.approve", "review.correct", "review.not_on_page", "review.reject"];

/** Draw a verified answer, to edit or withdraw it. */
export function drawVerified(verified, on) {
  const { use } = verified;
  const served = use.served ? sayCount("Served once in 90 days, first {day}.", "Served {count} times in 90 days, first {day}.", use.served, { day: day(use.first_at) }) : say("Served to nobody in the last 90 days.");
  const shares = [
    use.same && say("Asked in the same words: {count}", { count: number(use.same) }),
    use.other && say("In other words: {count}", { count: number(use.other) }),
    use.down && say("Rated down: {count}", { count: number(use.down) }),
    use.wrong && say("Found wrong afterwards: {count}", { count: number(use.wrong) }),
  ].filter(Boolean);
  const edit = {
    verb: "review.edit",
    title: say("Edit…"),
    send: say("Save"),
    fields: [
      { kind: "text", id: "text", label: say("The right answer"), most: verified.most.text, long: true, value: verified.text, required: say("Please write the right answer.") },
      ...(verified.choices.length ? [{ kind: "choice", id: "span", label: say("Where the page says it"), choices: verified.choices, value: verified.chosen }] : []),
      { kind: "text", id: "note", label: say("Why? (for the record)"), most: verified.most.note, long: false, value: "", required: "" },
    ],
  };
  const withdraw = { verb: "review.withdraw", title: say("Withdraw…"), send: say("Withdraw"), fields: [{ kind: "text", id: "reason", label: say("Why? (for the record)"), most: verified.most.note, long: false, value: "", required: "" }] };
  return element(
    "article",
    {},
    element("p", { class: "why" }, `${verified.reviewer}, ${day(verified.at)}`),
    verified.rivals.length ? element("div", { class: "doubt" }, element("p", {}, element("strong", {}, say("Another verified answer to the same question says something else:"))), ...verified.rivals.map((one) => rival(one, on))) : null,
    element("h3", {}, say("Question")),
    element("p", { class: "question" }, verified.question),
    element("h3", {}, say("What people get")),
    ...lines(text(verified)),
    ...verified.places.map(place),
    element("p", { class: "basis" }, [served, ...shares].join(" · ")),
    actions([edit, withdraw], on.press),
    ...(verified.history.length > 1 ? [element("h3", {}, say("History")), element("ol", { class: "history" }, ...verified.history.toReversed().map(step))] : []),
  );
}

const text = (one) => (one.not_on_the_pages ? say("That is not on the pages.") : one.text);

function step({ ruled, text: words, note, holds, ended }) {
  return element(
    "li",
    {},
    element("p", {}, element("strong", {}, withDates(ruled)), holds ? ` · ${say("in force")}` : ""),
    words && element("p", {}, `“${words}”`),
    note && element("p", { class: "basis" }, say("Note: {text}", { text: note })),
    ended && element("p", { class: "basis" }, [ended.what, when(ended.at), ended.reason].filter(Boolean).join(" · ")),
  );
}

function rival(one, on) {
  return element("p", { class: "rival" }, `“${text(one)}” · ${day(one.at)} `, element("button", { type: "button", onclick: () => on.open(one.id) }, say("Open it")));
}

/** Lines of a text; the sentence that answers best is marked. */
function lines(words, marked = "") {
  return words.split("\n").filter((line) => line.trim()).map((line) => {
    const at = marked ? line.indexOf(marked) : -1;
    if (at < 0) return element("p", {}, line);
    return element("p", {}, line.slice(0, at), element("mark", {}, marked), line.slice(at + marked.length));
  });
}

function place({ name, quote, url }) {
  return element("figure", { class: "place" }, element("figcaption", {}, /^(https?:\/\/|\/(?![/\\]))/.test(url) ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, name) : name), element("blockquote", {}, quote));
}

function alike(others) {
  const boxes = others.map((one) => element("label", { class: "tick" }, element("input", { type: "checkbox", value: one.id }), ` ${one.question}`));
  const all = element("button", { type: "button", onclick: () => boxes.forEach((box) => (box.firstElementChild.checked = true)) }, say("Tick all"));
  return element("fieldset", { class: "alike" }, element("legend", {}, sayCount("{count} other waiting question asks the same. Your decision also counts for it if it is ticked:", "{count} other waiting questions ask the same. Your decision also counts for those that are ticked:", others.length)), ...boxes, others.length > 1 ? all : null);
}

function actions(list, press) {
  return element("div", { class: "actions" }, ...list.map((action) => (action.fields ? form(action, press) : plain(action, press))));
}

function plain(action, press) {
  return element("button", { type: "button", class: action.good ? "good" : null, "data-verb": action.verb, onclick: () => press(action, {}) }, action.title);
}

/** A form that unfolds below its button; what is written first is chosen, ready to be kept or replaced. */
function form(action, press) {
  const fields = action.fields.map((field) => [field.id, input(field)]);
  const body = element(
    "form",
    {
      autocomplete: "off",
      onsubmit: (event) => {
        event.preventDefault();
        press(action, Object.fromEntries(fields.map(([id, field]) => [id, field.lastElementChild.value])));
      },
    },
    ...fields.map(([, field]) => field),
    element("button", { type: "submit", class: action.good ? "good" : null }, action.send),
  );
  const node = element("details", { class: "form" }, element("summary", { "data-verb": action.verb }, action.title), body);
  node.addEventListener("toggle", () => node.open && body.querySelector("textarea, select, input")?.focus());
  return node;
}

function input(field) {
  const id = `field-${field.id}-${(count += 1)}`;
  const label = element("label", { for: id }, field.label);
  if (field.kind === "choice") {
    const options = field.choices.map(({ value, title }) => element("option", { value, selected: value === field.value }, title));
    return element("div", {}, label, element("select", { id }, ...options));
  }
  const made = element(field.long ? "textarea" : "input", { id, maxlength: field.most, required: Boolean(field.required), rows: field.long ? 5 : null });
  made.value = field.value;
  return element("div", {}, label, made);
}

let count = 0;

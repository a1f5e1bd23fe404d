// A review and a verified answer, drawn: what was asked and said, where it stands, what can be done, the history.

import { element } from "./element.js";
import { day, when, withDates } from "./dates.js";
import { many } from "./entry.js";

/** Draw what waits for a review; `on` has press(action, fields), pressAll(action, fields, others) and open(id). */
export function drawReview(review, on) {
  const ticked = () => [...node.querySelectorAll(".alike input:checked")].map((box) => review.alike.find(({ id }) => id === box.value));
  const node = element(
    "article",
    {},
    element("p", { class: "why" }, `Why: ${review.why.join("; ")}`),
    ...review.state.map((sentence) => element("p", { class: "state" }, withDates(sentence))),
    review.doubt && element("div", { class: "doubt" }, element("p", {}, element("strong", {}, "This stands on the page. Does it answer the question?")), place(review.doubt)),
    element("h3", {}, "Question"),
    element("p", { class: "question" }, review.question),
    review.preview && element("p", { class: "basis" }, review.preview),
    element("h3", {}, review.said),
    element("div", { class: `said-${review.kind}` }, ...lines(review.text, review.marked)),
    ...(review.places.length ? [element("h3", {}, review.kind === "answered" ? "Based on" : "Source, and other places to look"), ...review.places.map(place)] : []),
    ...(review.served.length ? [element("h3", {}, "Served to the same question already"), ...review.served.map((one) => rival(one, on))] : []),
    ...(review.feedback.length ? [element("h3", {}, "What people said"), ...review.feedback.map((sentence) => element("p", {}, sentence))] : []),
    ...review.skips.map((sentence) => element("p", { class: "basis" }, `Skipped: ${withDates(sentence)}`)),
    review.alike.length ? alike(review.alike) : null,
    actions(review.actions, (action, fields) => {
      const others = ticked();
      return others.length && RULINGS.includes(action.verb) ? on.pressAll(action, fields, others) : on.press(action, fields);
    }),
    review.passages.length ? element("details", { class: "more" }, element("summary", {}, "What the pages say"), ...review.passages.map((one) => element("section", {}, element("h4", {}, one.name), element("p", { class: "passage" }, one.text)))) : null,
    element("details", { class: "more" }, element("summary", {}, "Details"), element("p", { class: "basis" }, withDates(review.details.replace(/^Details: /, "")))),
  );
  return node;
}

export const RULINGS = ["review.approve", "review.correct", "review.not_on_page", "review.reject"];

/** Draw a verified answer, to edit or withdraw it. */
export function drawVerified(verified, on) {
  const { use } = verified;
  const shares = [use.same && `${use.same} asked in the same words`, use.other && `${use.other} in other words`, use.down && `${use.down} rated down`, use.wrong && `${use.wrong} found wrong afterwards`].filter(Boolean);
  const served = use.served ? `Served ${many(use.served, "time")} in 90 days, first ${day(use.first_at)}${shares.length ? `: ${shares.join(", ")}` : ""}.` : "Served to nobody in the last 90 days.";
  const edit = {
    verb: "review.edit",
    title: "Edit…",
    send: "Save",
    fields: [
      { kind: "text", id: "text", label: "The right answer", most: verified.most.text, long: true, value: verified.text, required: "Please write the right answer." },
      ...(verified.choices.length ? [{ kind: "choice", id: "span", label: "Where the page says it", choices: verified.choices, value: verified.chosen || verified.choices[0].value }] : []),
      { kind: "text", id: "note", label: "Why? (for the record)", most: verified.most.note, long: false, value: "", required: "" },
    ],
  };
  const withdraw = { verb: "review.withdraw", title: "Withdraw…", send: "Withdraw", fields: [{ kind: "text", id: "reason", label: "Why? (for the record)", most: verified.most.note, long: false, value: "", required: "" }] };
  return element(
    "article",
    {},
    element("p", { class: "why" }, `${verified.reviewer}, ${day(verified.at)}`),
    verified.rivals.length ? element("div", { class: "doubt" }, element("p", {}, element("strong", {}, "Another verified answer to the same question says something else:")), ...verified.rivals.map((one) => rival(one, on))) : null,
    element("h3", {}, "Question"),
    element("p", { class: "question" }, verified.question),
    element("h3", {}, "What people get"),
    ...lines(text(verified)),
    ...verified.places.map(place),
    element("p", { class: "basis" }, served),
    actions([edit, withdraw], on.press),
    ...(verified.history.length > 1 ? [element("h3", {}, "History"), element("ol", { class: "history" }, ...verified.history.toReversed().map(step))] : []),
  );
}

const text = (one) => (one.not_on_the_pages ? "That is not on the pages." : one.text);

function step({ since, by, ruled, text: words, note, holds, ended }) {
  return element(
    "li",
    {},
    element("p", {}, element("strong", {}, `${by} ${ruled}`), ` · ${when(since)}${holds ? " · in force" : ""}`),
    words && element("p", {}, `“${words}”`),
    note && element("p", { class: "basis" }, `Note: ${note}`),
    ended && element("p", { class: "basis" }, `${ended.by} ${ended.what} · ${when(ended.at)}${ended.reason ? ` · ${ended.reason}` : ""}`),
  );
}

function rival(one, on) {
  return element("p", { class: "rival" }, `“${text(one)}” · ${day(one.at)} `, element("button", { type: "button", onclick: () => on.open(one.id) }, "Open it"));
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
  const all = element("button", { type: "button", onclick: () => boxes.forEach((box) => (box.firstElementChild.checked = true)) }, "Tick all");
  return element("fieldset", { class: "alike" }, element("legend", {}, `${many(others.length, "other waiting question")} ${others.length === 1 ? "asks" : "ask"} the same. Your decision also counts for those that are ticked:`), ...boxes, others.length > 1 ? all : null);
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

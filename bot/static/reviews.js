// The reviewers' page: which list is shown, what is chosen in it, and the keyboard. Drawing is in review-parts.js.

import { element } from "./element.js";
import { day } from "./dates.js";
import { ago, attempt as tryTo, enter, get, nameOfPress, post, tell } from "./entry.js";
import { number as write, say, sayCount } from "./language.js";
import { RULINGS, drawReview, drawVerified } from "./review-parts.js";

const $ = (id) => document.getElementById(id);
const KEYS_OFF = "askpage-reviews-keys-off";
const KEYS = [
  ["j / k", say("next, previous in the list")],
  ["a", say("agree: approve, use the quote as it is, or “right, it is not on the page”")],
  ["c", say("correct, or use the quote: the text is ready")],
  ["e", say("edit a verified answer")],
  ["w", say("withdraw a verified answer")],
  ["n", say("not on the page")],
  ["r", say("not a real question")],
  ["s", say("skip")],
  ["m", say("claim: hold it for a quarter of an hour")],
  ["u", say("undo my last decision")],
  ["Ctrl + Enter", say("send what is written")],
  ["Esc", say("leave a form")],
  [say("g then q / v"), say("queue, verified answers")],
  ["/", say("search the verified answers")],
  ["?", say("these keys")],
];
const VERBS = { c: "review.correct", n: "review.not_on_page", r: "review.reject", s: "review.skip", m: "review.claim", e: "review.edit", w: "review.withdraw" };

let view = "";
let rows = [];
let chosen = -1;
let shown = null;
let last = null;
let number = 1;
let prefix = "";
let busy = false;
let loading = Promise.resolve();

// Reading

const attempt = (work) => tryTo(work, close);

function close() {
  for (const id of ["list", "detail"]) $(id).replaceChildren();
  for (const id of ["none", "turn", "search"]) $(id).hidden = true;
  $("main").setAttribute("aria-busy", "false");
}

function query() {
  const given = new FormData($("search"));
  const params = new URLSearchParams(["about", "page", "reviewer", "use"].map((name) => [name, given.get(name)]).filter(([, value]) => value));
  const [name, value] = String(given.get("age")).split("=");
  if (value) params.set(name, value);
  params.set("number", number);
  return params;
}

async function read(keep = "") {
  shown = null;
  $("detail").replaceChildren();
  $("main").setAttribute("aria-busy", "true");
  const of = view;
  const body = await attempt(() => get(of === "queue" ? "queue" : `verified?${query()}`));
  if (view !== of) return; // whoever changed it reads that list
  $("main").setAttribute("aria-busy", "false");
  if (!body) return;
  rows = body.shown;
  $("me").textContent = body.me;
  $("list").replaceChildren(...rows.map(drawRow));
  $("none").hidden = rows.length > 0;
  if (view === "queue") showQueue(body);
  else showVerified(body);
  const at = rows.findIndex(({ id }) => id === keep);
  await choose(at >= 0 ? at : Math.min(Math.max(chosen, 0), rows.length - 1), false);
}

function showQueue({ waiting }) {
  $("waiting").textContent = waiting;
  $("list-title").textContent = waiting ? sayCount("{count} is waiting for a review", "{count} are waiting for a review", waiting) : say("Queue");
  $("none").textContent = say("Nothing is waiting for a review.");
  $("turn").hidden = true;
}

function showVerified({ count, page, on_a_page: most }) {
  number = page;
  $("list-title").textContent = sayCount("{count} verified answer", "{count} verified answers", count);
  $("none").textContent = say("No verified answer matches.");
  const pages = Math.max(1, Math.ceil(count / most));
  $("turn").hidden = pages < 2;
  $("place").textContent = say("{page} of {pages}", { page: write(page), pages: write(pages) });
  $("before").disabled = page <= 1;
  $("after").disabled = page >= pages;
}

function drawRow(row, at) {
  const facts =
    view === "queue"
      ? [row.kind, row.why.join("; "), ago(row.opened_at), row.held_by && say("held by {name}", { name: row.held_by })]
      : [row.reviewer, day(row.at), row.use.served ? sayCount("served once", "served {count} times", row.use.served) : say("served to nobody yet")];
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", "data-id": row.id, onclick: () => choose(at, true) },
      element("span", { class: "asked" }, row.question),
      row.conflicts ? element("span", { class: "flag" }, say("conflict")) : null,
      row.sampled ? element("span", { class: "flag plain" }, say("sample")) : null,
      view === "verified" ? element("span", { class: "words" }, row.not_on_the_pages ? say("That is not on the pages.") : row.text) : null,
      element("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    ),
  );
}

/** Choose a row. Until it is read nothing is shown, so no key can mean what was shown before. */
function choose(at, focus) {
  chosen = at;
  shown = null;
  $("detail").replaceChildren();
  loading = load(at, focus);
  return loading;
}

async function load(at, focus) {
  for (const [place, row] of [...$("list").children].entries()) {
    const button = row.firstElementChild;
    if (place === at) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    if (place === at) row.scrollIntoView({ block: "nearest" });
  }
  if (at < 0) return;
  const { id } = rows[at], of = view;
  const body = await attempt(() => get(`${of}/${encodeURIComponent(id)}`));
  if (!body || view !== of || rows[chosen]?.id !== id) return; // something else is looked at by now
  show(body, focus);
}

function show(body, focus = false) {
  shown = body;
  const draw = view === "queue" ? drawReview : drawVerified;
  $("detail").replaceChildren(draw(body, { press, pressAll, open: openVerified }));
  if (focus) $("detail").focus({ preventScroll: matchMedia("(min-width: 800px)").matches });
  if (focus && matchMedia("(max-width: 799px)").matches) $("detail").scrollIntoView();
}

function openVerified(id) {
  last = null;
  pending = id;
  location.hash = "verified";
}

// Doing

async function press(action, fields = {}) {
  if (busy || !shown) return;
  busy = true;
  const { id, round } = shown;
  const note = fields.reason ?? fields.note ?? "";
  const sent = { verb: action.verb, answer: id, round, press: nameOfPress(), text: fields.text ?? "", span: fields.span ?? "", note, sure: action.sure === true };
  const body = await attempt(() => post("press", sent));
  busy = false;
  if (!body) return refresh(id);
  await follow(action, id, body);
}

/** A refused press may mean that somebody else was faster: show what holds now, and leave the sentence there. */
async function refresh(id) {
  const of = view;
  const body = await get(`${of}/${encodeURIComponent(id)}`).catch(() => null);
  if (body && view === of) show(body, true);
}

async function follow(action, id, { done, said, review }) {
  if (!done) {
    tell(say("Nothing is decided yet: look at the sentence."), "asks");
    return show(review, true);
  }
  const ruled = RULINGS.includes(action.verb);
  if (ruled) last = review && { id, round: review.round }; // what waits for the store cannot be undone yet
  if (action.verb === "review.undo") last = null;
  announce(say("{action}: done.", { action: action.title.replace(/…$/, "") }));
  tell(view === "queue" && ruled && last ? say("Done. To undo it, press u or Undo.") : said, "done");
  if (view === "queue" && action.verb === "review.claim") return show(review, true);
  offerUndo();
  await read(view === "queue" && action.verb !== "review.undo" ? "" : id);
  if (view !== "queue") await recount(); // what is withdrawn waits for a review again
  $("detail").focus({ preventScroll: true });
}

function offerUndo() {
  if (last && view === "queue") $("said").append(" ", element("button", { type: "button", onclick: undo }, say("Undo")));
}

async function undo() {
  if (!last || busy) return;
  busy = true;
  const { id, round } = last;
  const body = await attempt(() => post("press", { verb: "review.undo", answer: id, round, press: nameOfPress() }));
  busy = false;
  last = null;
  if (!body) return;
  tell(say("The decision was undone."), "done");
  await read(id);
}

async function pressAll(action, fields, others) {
  if (busy) return;
  busy = true;
  const { id, round } = shown;
  const note = fields.reason ?? fields.note ?? "";
  const lead = { verb: action.verb, answer: id, round, press: nameOfPress(), text: fields.text ?? "", span: fields.span ?? "", note, sure: action.sure === true };
  const body = await attempt(() => post("press-all", { ...lead, others: others.map((one) => ({ answer: one.id, round: one.round })) }));
  busy = false;
  if (!body) return;
  const hindered = body.told.filter(({ hindered: why }) => why);
  const questions = new Map([[id, shown.question], ...shown.alike.map((one) => [one.id, one.question])]);
  const done = sayCount("{count} review done.", "{count} reviews done.", body.told.length - hindered.length);
  const left = hindered.map((one) => `“${questions.get(one.id)}”: ${one.hindered}`);
  tell([done, ...left].join(" "), hindered.length ? "problem" : "done");
  await read();
}

function announce(sentence) {
  $("announce").textContent = sentence;
}

// Which list

let pending = "";

async function go() {
  const one = location.hash.match(/^#review=([\w%-]+)$/);
  const wanted = location.hash === "#verified" ? "verified" : "queue";
  if (wanted !== view) {
    chosen = 0;
    tell("");
  }
  view = wanted;
  for (const name of ["queue", "verified"]) {
    if (name === view) $(`tab-${name}`).setAttribute("aria-current", "page");
    else $(`tab-${name}`).removeAttribute("aria-current");
  }
  $("search").hidden = view === "queue";
  const keep = pending;
  pending = "";
  await read(keep);
  if (one) await showOne(decodeURIComponent(one[1]));
}

/** Show a review that a link names, also one that does not wait. */
async function showOne(id) {
  const at = rows.findIndex((row) => row.id === id);
  if (at >= 0) return choose(at, true);
  await loading;
  const body = await attempt(() => get(`queue/${encodeURIComponent(id)}`));
  if (!body) return;
  for (const button of $("list").querySelectorAll("[aria-current]")) button.removeAttribute("aria-current");
  show(body, true);
}

window.addEventListener("hashchange", go);
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  number = 1;
  chosen = 0;
  read();
});
$("search").addEventListener("change", (event) => event.target.tagName === "SELECT" && $("search").requestSubmit());
for (const [id, by] of [["before", -1], ["after", 1]]) {
  $(id).addEventListener("click", () => {
    number += by;
    chosen = 0;
    read();
  });
}

// The keyboard

const button = (verb) => $("detail").querySelector(`[data-verb="${verb}"]`);

function onKey(event) {
  const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
  if (event.key === "Escape" && typing) return event.target.closest("#detail") ? closeForm(event.target) : event.target.blur();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form) return event.target.form.requestSubmit();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $("keys").open || localStorage.getItem(KEYS_OFF)) return;
  const after = prefix;
  prefix = event.key === "g" ? "g" : "";
  const done = after === "g" ? goTo(event.key) : doKey(event.key);
  if (done) event.preventDefault();
}

function goTo(key) {
  const hash = { q: "queue", v: "verified" }[key];
  if (hash) location.hash = hash;
  return Boolean(hash);
}

function doKey(key) {
  if (key === "j" || key === "k") {
    const at = chosen + (key === "j" ? 1 : -1);
    if (at >= 0 && at < rows.length) choose(at, true);
    return true;
  }
  if (key === "u") return undo() || true;
  if (key === "?") return $("keys").showModal() || true;
  if (key === "/") {
    location.hash = "verified";
    setTimeout(() => $("about").focus());
    return true;
  }
  const verb = key === "a" ? "review.approve" : VERBS[key];
  if (verb) loading.then(() => button(verb)?.click());
  return Boolean(verb);
}

function closeForm(field) {
  field.closest("details")?.removeAttribute("open");
  $("detail").focus();
}

document.addEventListener("keydown", onKey);
$("keys-list").replaceChildren(...KEYS.flatMap(([key, does]) => [element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, does))]));
$("keys-button").addEventListener("click", () => $("keys").showModal());
$("keys-on").checked = !localStorage.getItem(KEYS_OFF);
$("keys-on").addEventListener("change", () => ($("keys-on").checked ? localStorage.removeItem(KEYS_OFF) : localStorage.setItem(KEYS_OFF, "1")));

async function recount() {
  const body = await get("count").catch(() => null);
  if (!body || body.waiting === Number($("waiting").textContent)) return;
  if (view === "queue") read(shown?.id);
  else $("waiting").textContent = body.waiting;
}

setInterval(() => {
  if (!document.hidden && !busy && !$("detail").querySelector("details[open] textarea")) recount();
}, 20_000);

await attempt(enter);
await go();

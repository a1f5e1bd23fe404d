// The operators' page: what there is is read every few seconds, and every change names what the page had seen.

import { element } from "./element.js";
import { day, when } from "./dates.js";
import { attempt as tryTo, enter, get, nameOfPress, post, tell } from "./entry.js";

const $ = (id) => document.getElementById(id);
const POLL_MS = 5_000;
const ORIGINS = { setting: "in the settings", added: "added", elsewhere: "another machine’s" };
const CHOICES = { promote: "Promote", hold: "Hold", roll_back: "Roll back" };
const ASKS = {
  "source.remove": ["Remove this source?", "Remove it", "Its pages are forgotten, and verified answers that stand on them are not served any more. It can be added again."],
  "model.promote": ["Let this version answer everybody?", "Promote it", "It takes over within seconds, without a dropped answer. It can be rolled back."],
  "model.roll_back": ["Take this version back?", "Roll it back", "The version before answers again; this one is retired."],
};
const NAMED = { reviewers: "Teams: people", reviewer_groups: "Teams: groups", slack_reviewers: "Slack: people", slack_reviewer_groups: "Slack: groups", operators: "Operators" };
const many = (count, one, several = `${one}s`) => `${count.toLocaleString("en-GB")} ${count === 1 ? one : several}`;
let shown = null;
let busy = false;

const attempt = (work) => tryTo(work, () => {
  $("shown").hidden = true;
});

async function read() {
  const body = await attempt(() => get("data"));
  $("main").setAttribute("aria-busy", "false");
  if (!body) return;
  const same = JSON.stringify(body) === JSON.stringify(shown);
  shown = body;
  $("shown").hidden = false;
  $("me").textContent = body.me;
  if (!same) draw(body);
}

function draw(body) {
  const open = new Set([...document.querySelectorAll("details[open]")].map(({ id }) => id));
  const focus = document.activeElement?.dataset.name;
  $("sources-list").replaceChildren(...body.sources.map(source));
  $("models-list").replaceChildren(...(body.models.length ? body.models.map(model) : [element("li", {}, "No version is imported here.")]));
  $("jobs-list").replaceChildren(...body.jobs.map(job));
  drawReviewers(body.reviewers);
  drawDoctor(body.doctor);
  drawSettings();
  for (const id of open) if (id && $(id)) $(id).open = true;
  if (focus) document.querySelector(`[data-name="${CSS.escape(focus)}"]`)?.focus();
}

const row = (title, tags, facts, buttons, ...more) =>
  element("li", {}, element("div", {}, element("h3", {}, title, " ", ...tags), element("p", { class: "basis" }, facts.filter(Boolean).join(" · "))), element("div", { class: "buttons" }, ...buttons), ...more);

const tag = (text, kind = "") => element("span", { class: `tag ${kind}` }, text);

function button(verb, title, what, known = 0) {
  return element("button", { type: "button", "data-verb": verb, "data-name": `${verb} ${what}`, class: ["source.remove", "model.roll_back"].includes(verb) ? "danger" : null, "aria-label": `${title}: ${what}`, onclick: () => press(verb, what, known) }, title);
}

function source(one) {
  const facts = [many(one.pages, "page"), many(one.passages, "passage"), one.read_at ? `last read ${when(one.read_at)}` : "not read yet", one.reading && `reading: ${one.read} so far`];
  const buttons = [one.reading ? null : button("source.refresh", "Read again", one.name), one.origin === "setting" ? null : button("source.remove", "Remove", one.name)];
  return row(one.name, [tag(ORIGINS[one.origin]), one.problems.length ? tag(many(one.problems.length, "problem"), "warn") : ""], facts, buttons.filter(Boolean), one.problems.length ? details(`problems-${one.name}`, "Problems of the last reading here", one.problems) : "");
}

const details = (id, title, sentences) => element("details", { id }, element("summary", {}, title), element("ul", {}, ...sentences.map((sentence) => element("li", {}, sentence))));

function model(one) {
  const kind = { live: "good", canary: "warn", retired: "" }[one.status] ?? "";
  const facts = [one.base, `made ${day(one.created_at)}`, one.share !== null && `${Math.round(one.share * 100)} % of conversations`];
  return row(one.name, [tag(one.status, kind)], facts, one.may.map((choice) => button(`model.${choice}`, CHOICES[choice], one.name, one.decisions)), one.why.length ? details(`why-${one.name}`, "What the comparison says", one.why) : "");
}

const DOES = {
  sample_reviews: "Send a random sample of answers to reviewers.",
  send_reviews: "Send the cards of waiting reviews that no reviewer has on screen.",
  refresh_pages: "Read the pages again, and have reviewers check answers whose page changed.",
  drain_spool: "Store records that wait on disk, also those of processes that have ended.",
  roll_up_metrics: "Sum up the figures of each day.",
  apply_retention: "Delete records that have been kept long enough.",
  watch_canary: "Promote a canary that does well, or roll it back.",
  send_to_data_explorer: "Send records to Data Explorer, without texts and people.",
  report_gaps: "Group unanswered questions into gaps, and send cards to the owners of pages.",
  fit_search: "Train the search on reviews, and use it if it is better.",
  update_model: "Train a model version on reviews, and use it if it is better.",
};

function job(one) {
  const bad = ["failed", "died"].includes(one.outcome);
  const state = one.running || one.outcome === "running" ? tag("runs", "warn") : one.outcome ? tag(one.outcome, bad ? "bad" : one.outcome === "done" ? "good" : "") : tag("has not run");
  const facts = [DOES[one.name], one.ended_at && `${when(one.ended_at)}, ${one.seconds < 10 ? one.seconds.toFixed(1) : Math.round(one.seconds)} s`, one.next_at && `next ${when(one.next_at)}`, one.schedule ? `schedule ${one.schedule}` : "no schedule"];
  const result = Object.entries(one.said ?? {}).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return row(one.name, [state], facts, one.running ? [] : [button("job.run", "Run now", one.name)], one.error ? element("p", { class: "basis" }, one.error) : "", result.length ? details(`said-${one.name}`, "Last result", result) : "");
}

function drawReviewers({ named, active, places }) {
  const lists = Object.entries(named).map(([name, ids]) => element("div", {}, element("h3", {}, NAMED[name] ?? name), ids.length ? element("ul", {}, ...ids.map((id) => element("li", {}, id))) : element("p", { class: "basis" }, "nobody"), element("p", { class: "basis" }, `Setting ${name}`)));
  const rulings = element("div", {}, element("h3", {}, "Decided in the last 90 days"), active.length ? element("ul", {}, ...active.map((one) => element("li", {}, `${one.name}: ${one.rulings}`))) : element("p", { class: "basis" }, "nobody yet"), element("p", { class: "basis" }, `Cards come to ${many(places, "place")}.`));
  $("reviewers-body").replaceChildren(element("div", { class: "named" }, rulings, ...lists), element("p", { class: "basis" }, "The settings say who may review and operate. To change that, change them and restart the bot."));
}

function drawDoctor({ findings, looked_at: at }) {
  $("looked").textContent = at ? `Checked ${when(at)}.` : "Not checked since the bot started. A check takes some seconds.";
  const kinds = { ok: "good", warning: "warn", fault: "bad" };
  $("doctor-list").replaceChildren(...findings.map((one) => row(one.matter, [tag(one.level, kinds[one.level])], [one.says], [], one.todo ? element("p", { class: "basis" }, `→ ${one.todo}`) : "")));
}

function drawSettings() {
  const words = $("words").value.toLowerCase();
  const wanted = shown.settings.filter((one) => (!$("changed").checked || one.origin !== "default") && `${one.name} ${one.description} ${one.value}`.toLowerCase().includes(words));
  const rows = wanted.map((one) => element("tr", {}, element("th", { scope: "row" }, one.name), element("td", {}, one.value || "–"), element("td", {}, tag(one.origin, one.origin === "default" ? "" : "good")), element("td", {}, one.description)));
  $("settings-table").replaceChildren(element("thead", {}, element("tr", {}, ...["Setting", "Value", "From", "What it does"].map((head) => element("th", { scope: "col" }, head)))), element("tbody", {}, ...rows));
}

// Doing

function confirm(verb, what) {
  const asks = ASKS[verb];
  if (!asks) return Promise.resolve(true);
  const [title, yes, text] = asks;
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = `${what}: ${text}`;
  $("confirm-yes").textContent = yes;
  $("confirm").returnValue = "";
  $("confirm").showModal();
  return new Promise((resolve) => $("confirm").addEventListener("close", () => resolve($("confirm").returnValue === "yes"), { once: true }));
}

async function press(verb, what, known = 0) {
  if (busy || !(await confirm(verb, what))) return;
  busy = true;
  if (verb === "doctor.look") $("looked").textContent = "Looking…";
  const body = await attempt(() => post("press", { verb, what, known, press: nameOfPress(), seen: shown.seen }));
  busy = false;
  if (body) {
    tell(body.said, "done");
    if (verb === "source.remove" && /^https?:/.test(what)) $("said").append(" ", element("button", { type: "button", onclick: () => press("source.add", what) }, "Add it again"));
    if (verb === "source.add") $("source").value = "";
  }
  await read();
}

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  press("source.add", $("source").value.trim());
});
$("look").addEventListener("click", () => press("doctor.look", ""));
$("filter").addEventListener("submit", (event) => event.preventDefault());
$("filter").addEventListener("input", drawSettings);
setInterval(() => !document.hidden && !busy && !$("confirm").open && shown && !$("shown").hidden && read(), POLL_MS);

await attempt(enter);
await read();

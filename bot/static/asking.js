// What became of questions, who asks, and what is asked most: the strip at the top, and the panels below the figures.

import { element } from "./element.js";
import { exportButtons } from "./export.js";
import { UNITS, glance, said } from "./figures.js";

const KINDS = [["answered", "Answered", "In the model’s or a reviewer’s words."], ["quoted", "Quoted", "In the words of a page, which may not be what was asked for."], ["declined", "Declined", "Nothing near was found, and that was said."]];
const FAILURES = {
  busy: "the bot was busy",
  too_slow: "it took too long",
  too_long: "the question was too long",
  page_refused: "the page could not be read",
  reading: "the pages were still being read",
  error: "something went wrong",
  undeliverable: "the chat was gone",
  not_delivered: "the answer could not be delivered",
  stopped: "the asker pressed stop",
  too_many: "the asker had asked too much",
  too_fast: "the asker asked too fast",
};
const $ = (id) => document.getElementById(id);
const day = (at) => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** How many questions were answered, quoted and declined, from the shares of all answers. */
export function countKinds({ figures }) {
  const all = figures.answers.now?.value ?? 0;
  const of = (name) => Math.round((figures[name].now?.value ?? 0) * all);
  return { all, answered: of("answered_share"), quoted: of("quoted_share"), declined: of("abstained_share") };
}

export function showOutcome(data) {
  const counts = countKinds(data);
  const failed = Object.values(data.asking.failures).reduce((sum, count) => sum + count, 0);
  $("outcome").hidden = counts.all + failed === 0;
  $("outcome-bar").replaceChildren(...KINDS.map(([name]) => part(name, counts[name], counts.all)));
  const items = KINDS.map(([name, title, what]) => fact(name, title, counts[name], counts.all, what));
  const why = Object.entries(data.asking.failures).map(([reason, count]) => `${FAILURES[reason] ?? reason}: ${count}`).join("; ");
  items.push(fact("failed", "No answer", failed, 0, failed ? `Beside these: ${why}.` : "Nothing went wrong."));
  $("outcome-facts").replaceChildren(...items);
}

function part(name, count, all) {
  const made = element("span", { class: `part kind-${name}` });
  made.style.flexGrow = String(all ? count : 0);
  made.hidden = !count;
  return made;
}

function fact(name, title, count, all, what) {
  const share = all ? ` · ${Math.round((count / all) * 100)} %` : "";
  return element("div", { class: `kind-${name}`, "data-kind": name, "data-count": count }, element("dt", {}, title), element("dd", {}, element("strong", {}, UNITS.count.text(count)), share), element("dd", { class: "basis" }, what));
}

export function showAsking(data) {
  const { people, top, unanswered, since, whole } = data.asking;
  $("people").hidden = false;
  const basis = whole ? "" : ` Of the newest answers only, since ${day(since)}.`;
  $("people-facts").replaceChildren(
    number("Today", UNITS.count.text(people.today)),
    number("In 7 days", UNITS.count.text(people.week)),
    number("Came back", people.returning ? glance(people.returning, "share") : "–"),
  );
  $("people-basis").textContent = `Came back: of the people of the last 7 days, those who asked on another day of the last 28, too${people.returning ? ` (${said(people.returning, "share", "people")})` : ""}.${basis}`;
  const most = Math.max(1, ...people.days.map((one) => one.people));
  const rows = people.days.slice(-30).reverse();
  $("people-table").replaceChildren(
    element("thead", {}, element("tr", {}, ...["Day (UTC)", "People"].map((head) => element("th", { scope: "col" }, head)), element("td", {}))),
    element("tbody", {}, ...rows.map((one) => element("tr", {}, element("th", { scope: "row" }, day(one.day)), element("td", {}, String(one.people)), element("td", { class: "meter" }, meter(one.people / most))))),
  );
  $("people-export").replaceChildren(exportButtons("people", "people a day", () => ({ heads: ["day", "people"], rows: people.days.map((one) => [one.day, one.people]) })));
  list("top", top, "Nobody has asked anything in this time.");
  list("unanswered", unanswered, "Nothing was declined in this time.");
}

function meter(share) {
  const made = element("span", { class: "bar-of" });
  made.style.width = `${Math.round(share * 100)}%`;
  return made;
}

const number = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, value));

function list(name, found, none) {
  $(name).hidden = found === null;
  if (found === null) return;
  const head = ["Question", "Asked", "People", "Answered", "Quoted", "Declined"];
  const rows = found.map((one) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, one.review ? element("a", { href: `/reviews#review=${encodeURIComponent(one.review)}` }, one.question) : one.question),
      ...[one.count, one.people, one.answered, one.quoted, one.declined].map((count) => element("td", {}, String(count))),
    ),
  );
  $(`${name}-table`).replaceChildren(element("thead", {}, element("tr", {}, ...head.map((title) => element("th", { scope: "col" }, title)))), element("tbody", {}, ...rows));
  $(`${name}-table`).hidden = !rows.length;
  $(`${name}-none`).hidden = rows.length > 0;
  $(`${name}-none`).textContent = none;
  const names = ["question", "count", "people", "answered", "quoted", "declined", "last_at"];
  $(`${name}-export`).replaceChildren(rows.length ? exportButtons(name, $(`${name}-title`).textContent, () => ({ heads: names, rows: found.map((one) => names.map((key) => one[key])) })) : "");
}

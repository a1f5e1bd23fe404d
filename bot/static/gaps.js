// Gaps of the pages: what was asked in vain, by whom it could be written, and what a change of the page brought.

import { element } from "./element.js";
import { exportButtons } from "./export.js";
import { duration } from "./figures.js";

const $ = (id) => document.getElementById(id);
const HEADS = ["Question", "People", "Asked", "Nearest page", "Owner", "Declined before", "after"];
const DECIDED = { done: "marked as done", not_this_page: "not for this page" };
const PLAIN = ["question", "people", "count", "page", "url", "owner", "decision", "corrected", "repaired", "declined_before", "asked_before", "declined_after", "asked_after"];

export function showGaps({ gaps, now }) {
  $("gaps").hidden = !gaps;
  if (!gaps) return;
  const age = (Date.parse(now) - Date.parse(gaps.made_at)) / 1000;
  const more = gaps.count > gaps.gaps.length ? ` The first ${gaps.gaps.length} of ${gaps.count}.` : "";
  $("gaps-basis").textContent = `Questions of ${gaps.days} days that were asked in vain, from the report of ${duration(age)} ago.${more}`;
  $("gaps-table").replaceChildren(
    element("thead", {}, element("tr", {}, ...HEADS.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...gaps.gaps.map(row)),
  );
  $("gaps-table").hidden = !gaps.gaps.length;
  $("gaps-none").hidden = gaps.gaps.length > 0;
  $("gaps-export").replaceChildren(gaps.gaps.length ? exportButtons("gaps", "Gaps of the pages", () => ({ heads: PLAIN, rows: gaps.gaps.map(plain) })) : "");
}

function row(gap) {
  const others = gap.questions > 1 ? element("small", {}, `and ${gap.questions - 1} like it`) : null;
  const said = gap.repaired ? "repaired" : DECIDED[gap.decision];
  return element(
    "tr",
    { "data-repaired": String(gap.repaired) },
    element("th", { scope: "row" }, gap.question, others),
    element("td", {}, String(gap.people)),
    element("td", {}, String(gap.count)),
    element("td", { class: "words" }, gap.page || "none comes near", said ? element("small", {}, said) : null),
    element("td", { class: "words" }, gap.owner || "–"),
    element("td", {}, rate(gap.before)),
    element("td", {}, gap.changed ? rate(gap.after) : element("small", {}, "not changed yet")),
  );
}

function rate(asking) {
  if (!asking) return "–";
  if (!asking.asked) return "not asked";
  return `${asking.declined} of ${asking.asked}`;
}

const plain = (gap) => {
  const counts = { declined_before: gap.before?.declined, asked_before: gap.before?.asked, declined_after: gap.after?.declined, asked_after: gap.after?.asked };
  const all = { ...gap, ...counts };
  return PLAIN.map((name) => all[name] ?? null);
};

// What corrections do: how soon they reach people, how many they reach, and how accuracy goes with reviews.

import { element } from "./element.js";
import { exportButtons } from "./export.js";
import { UNITS, counted, duration, said } from "./figures.js";

const CHANGED = { approved: "approved", corrected: "corrected", not_on_page: "not on the page" };
const when = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const TABLES = [
  ["top", "Verified answers that served most", ["Served", "Same words", "Other words", "Rated down", "Found wrong"], ({ served, same, other, down, wrong }) => [served, same, other, down, wrong]],
  ["idle", "Corrections that served nobody", ["Settled"], ({ at }) => [when.format(new Date(at))]],
];

/** Show it; `channels` names channels for people. What stands open stays open. */
export function showLearning({ learning, few, span }, channels) {
  document.getElementById("learning").hidden = false;
  document.getElementById("learning-figures").replaceChildren(lag(learning, channels, few), reach(learning, few), points(learning, span), calibration(learning, few));
  const lists = document.getElementById("learning-lists");
  const open = [...lists.querySelectorAll("details[open]")].map(({ id }) => id);
  lists.replaceChildren(...TABLES.filter(([name]) => learning[name]?.length).map((spec) => list(spec, learning, open)));
}

function figure(name, title, value, small, isFew, ...facts) {
  return element(
    "article",
    { "aria-labelledby": `learning-${name}`, id: `learned-${name}`, "data-few": String(isFew) },
    element("h3", { id: `learning-${name}` }, title),
    element("p", { class: "value" }, value, small ? element("small", {}, small) : null),
    ...facts.filter(Boolean).map((fact) => (typeof fact === "string" ? element("p", { class: "basis" }, fact) : fact)),
  );
}

function lag({ lag: all, lags, reached, unserved, rulings, kept }, channels, few) {
  const rows = Object.entries(lags).map(([channel, one]) => element("tr", {}, element("th", { scope: "row" }, channels[channel] ?? channel), element("td", {}, time(one.p50_s)), element("td", {}, time(one.p95_s)), element("td", {}, String(one.n))));
  const table = element(
    "table",
    { "aria-label": "Correction lag by where it was read first" },
    element("thead", {}, element("tr", {}, ...["First on", "Median", "p95", "Decisions"].map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows),
  );
  return figure(
    "lag",
    "Correction lag",
    time(all.p50_s),
    all.n ? `p95 ${time(all.p95_s)}` : "",
    all.n < few,
    "From a decision to the first answer that has it. Most of it is until somebody asks again.",
    reached ? `Reached somebody: ${said(reached, "share", "decisions")}. ${unserved ? `${unserved} of ${rulings} reached nobody yet, and ${unserved === 1 ? "has" : "have"} no lag.` : ""}` : "No decision in this time.",
    rows.length ? table : null,
    rows.length ? exportButtons("correction-lag", "Correction lag", () => ({ heads: ["channel", "p50_s", "p95_s", "n"], rows: Object.entries(lags).map(([channel, one]) => [channel, one.p50_s, one.p95_s, one.n]) })) : null,
    kept.n ? `Kept, and ready to be served: ${time(kept.p50_s)} after the decision (p95 ${time(kept.p95_s)}, ${counted(kept.n, "decisions")}).` : null,
  );
}

function reach({ answers, same, other, down, wrong }, few) {
  const rows = [["In the same words", same], ["In other words", other], ["Rated down", down], ["Found wrong later", wrong]];
  return figure(
    "reach",
    "Reach",
    UNITS.count.text(answers),
    answers === 1 ? "answer" : "answers",
    answers < few,
    "Served from decisions, old and new.",
    answers ? element("dl", { class: "shares" }, ...rows.map(([name, share]) => element("div", {}, element("dt", {}, name), element("dd", {}, said(share, "share", share && share.n < answers ? "answers" : ""))))) : null,
  );
}

function points({ points: { value, low, high, n, reviews, unknown } }, span) {
  const basis = "Change of accuracy in the random sample, with each 100 settled reviews.";
  if (value === null) {
    const why = unknown === "few_judged" ? `${n} answers of the sample are judged` : `${Math.round(reviews)} reviews lie between the halves of the sample`;
    return figure("points", "Points per 100 reviews", "–", "not enough to tell", true, basis, `In this time only ${why}.`);
  }
  const chance = low <= 0 && high >= 0;
  return figure(
    "points",
    "Points per 100 reviews",
    signed(value),
    `${signed(low)} to ${signed(high)}`,
    chance,
    basis,
    `${n} judged, ${Math.round(reviews)} reviews between the halves of the ${span}.${chance ? " May be chance." : ""}`,
  );
}

function calibration({ calibration: { n, gap, brier, bins } }, few) {
  const basis = "Answered and quoted in the random sample: whether the bot is right as often as it is sure.";
  if (!n) return figure("calibration", "Calibration", "–", "", true, basis, "Nothing of it is judged yet.");
  const rows = bins.map((one) => element("tr", {}, element("th", { scope: "row" }, `${Math.round(one.begin * 100)}–${Math.round(one.end * 100)} % sure`), element("td", {}, UNITS.share.text(one.confidence)), element("td", {}, said(one.right, "share", "")), element("td", {}, String(one.right.n))));
  const table = element(
    "table",
    { "aria-label": "Calibration" },
    element("thead", {}, element("tr", {}, ...["Said", "Mean", "Right", "Judged"].map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows),
  );
  const plain = () => ({ heads: ["from", "to", "confidence", "right", "right_low", "right_high", "n"], rows: bins.map((one) => [one.begin, one.end, one.confidence, one.right.value, one.right.low, one.right.high, one.right.n]) });
  return figure("calibration", "Calibration", `${Math.round(gap * 100)} points apart`, `Brier ${brier.toFixed(2)}`, n < few, basis, `${n} judged.`, table, exportButtons("calibration", "Calibration", plain));
}

function list([name, title, heads, cells], learning, open) {
  const id = `learning-${name}`;
  const count = name === "idle" ? `: ${learning.idle_count}` : "";
  const rows = learning[name].map((one) => element("tr", {}, element("th", { scope: "row" }, one.question), element("td", {}, CHANGED[one.ruling] ?? ""), ...cells(one).map((cell) => element("td", {}, String(cell)))));
  const more = learning.idle_count > rows.length && name === "idle" ? element("p", { class: "basis" }, `The newest ${rows.length}.`) : null;
  return element(
    "details",
    { id, open: open.includes(id) },
    element("summary", {}, `${title}${count}`),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      element("table", {}, element("thead", {}, element("tr", {}, ...["Question", "Decision", ...heads].map((head) => element("th", { scope: "col" }, head)))), element("tbody", {}, ...rows)),
    ),
    exportButtons(`learning-${name}`, title, () => ({ heads: PLAIN, rows: learning[name].map((one) => PLAIN.map((key) => one[key])) })),
    more,
  );
}

const PLAIN = ["question", "ruling", "at", "served", "same", "other", "down", "wrong"];
const time = (value) => (value === null ? "–" : value < 1 ? "under 1 s" : duration(value));
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

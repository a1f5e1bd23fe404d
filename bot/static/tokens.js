// Tokens and cost: what models read and wrote in this time, by model version and over time.

import { element } from "./element.js";
import { exportButtons } from "./export.js";
import { UNITS } from "./figures.js";

const $ = (id) => document.getElementById(id);
const PLAIN = ["answers", "read", "cached", "written", "cost"];

export function showTokens({ tokens, at }, when) {
  const { now, before, currency, points } = tokens;
  $("tokens").hidden = false;
  const none = now.answers === 0;
  $("tokens-none").hidden = !none;
  for (const id of ["tokens-facts", "tokens-basis", "tokens-by-version", "tokens-over-time"]) $(id).hidden = none;
  if (none) return;
  $("tokens-facts").replaceChildren(
    fact("cost", "Cost", money(now.cost, currency), compare(now.cost, before?.cost, currency ? "" : "no price is set")),
    fact("read", "Tokens read", count(now.read), `${percent(now.cached, now.read)} of it from the cache`),
    fact("written", "Tokens written", count(now.written), "shown or not"),
    fact("each", "Tokens an answer", count(each(now)), now.cost === null ? "read and written" : `${money(now.cost / now.charged_answers, currency)} each`),
  );
  $("tokens-basis").textContent = `From ${count(now.answers)} ${now.answers === 1 ? "answer" : "answers"} for which a model was asked. ${whatCosts(now, currency)}`;
  const heads = currency ? [...HEADS, "Cost"] : HEADS;
  table("tokens-versions", ["Version", ...heads], tokens.versions.map((one) => [one.name, one]), currency);
  const times = at.map((time, bucket) => [when.long(Date.parse(time)), points[bucket]]);
  table("tokens-times", ["Time (UTC)", ...heads], times.filter(([, one]) => one?.answers).reverse(), currency);
  const plain = (name, keys, all) => ({ heads: [name, ...PLAIN, "currency"], rows: all.map((one, row) => [keys[row], ...PLAIN.map((key) => one?.[key] ?? null), currency]) });
  $("tokens-versions-export").replaceChildren(exportButtons("tokens-versions", "Tokens by model version", () => plain("version", tokens.versions.map(({ name }) => name), tokens.versions)));
  $("tokens-times-export").replaceChildren(exportButtons("tokens", "Tokens over time", () => plain("time", at, points)));
}

const HEADS = ["Answers", "Read", "From the cache", "Written"];
const count = (value) => UNITS.count.text(Math.round(value));
const percent = (part, whole) => `${whole ? Math.round((part / whole) * 100) : 0} %`;
const each = (sums) => (sums.read + sums.written) / sums.answers;

function table(id, heads, rows, currency) {
  const cells = (one) => [count(one.answers), count(one.read), count(one.cached), count(one.written), ...(currency ? [money(one.cost, currency)] : [])];
  $(id).replaceChildren(
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map(([name, one]) => element("tr", { "data-cost": one.cost ?? "" }, element("th", { scope: "row" }, name), ...cells(one).map((cell) => element("td", {}, cell))))),
  );
}

/** Small amounts keep two figures: one answer costs a fraction of a cent. */
function money(value, currency) {
  if (value === null || value === undefined || !currency) return "–";
  const digits = value >= 1 || value === 0 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumSignificantDigits: 2 };
  return new Intl.NumberFormat("en-GB", { style: "currency", currency, currencyDisplay: "code", ...digits }).format(value);
}

function compare(now, before, otherwise) {
  if (now === null) return otherwise || "nobody charges for these";
  return before ? `${now >= before ? "▲" : "▼"} ${percent(Math.abs(now - before), before)} against the time before` : "";
}

function whatCosts(now, currency) {
  if (!currency) return "Set token_price_in and token_price_out to see what a paid model server costs.";
  if (!now.charged_answers) return "All by models that run here, or on your own model server: no cost is counted for them.";
  const own = now.answers - now.charged_answers;
  return own ? `${count(own)} of them by models of your own, without a cost.` : "";
}

const fact = (kind, title, value, more) => element("div", { "data-kind": kind }, element("dt", {}, title), element("dd", {}, element("strong", {}, value)), element("dd", { class: "basis" }, more));

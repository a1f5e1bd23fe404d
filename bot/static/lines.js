// Paragraphs, lists and tables from lines, and the words of a page, which a card has as an element of their own.

import { element } from "./element.js";
import { say } from "./language.js";

const QUOTATION = "quotation";
const ITEM = /^([ \u2003]*)([-*•]|\d{1,4}[.)])\s+(?=\S)/;
const CELLS = " | ";
const DEEPEST = 3;

/** The words of a page in the cards of a message that leads in to them, null where there are none. */
export function quotationIn(shown) {
  if (!shown.text) return null;
  const items = (shown.cards ?? []).flatMap((card) => card.body ?? []);
  return items.find((item) => item.id === QUOTATION) ?? null;
}

/** A card without them; null where nothing is left. */
export function besideQuotation(card) {
  const body = (card.body ?? []).filter((item) => item.id !== QUOTATION);
  return body.length || card.actions?.length ? { ...card, body } : null;
}

/** Draw them; what answers best is marked. */
export function quotationElement(item) {
  const lines = (item.items ?? []).map((line) => runsOf(line));
  const text = (run) => (run.weight === "Bolder" ? element("mark", {}, run.text) : run.text);
  return element("blockquote", { class: "quotation" }, ...blocks(lines, (runs) => runs.map(text)));
}

/** Their text, line by line. */
export function quotationText(item) {
  return (item.items ?? []).map((line) => runsOf(line).map((run) => run.text).join("")).join("\n");
}

/** Lines of plain text as paragraphs and lists. `draw` makes nodes of a text. */
export function textBlocks(text, draw) {
  const lines = text.split("\n").map((line) => [{ text: line }]);
  return blocks(lines, (runs) => draw(runs.map((run) => run.text).join("")), false);
}

function runsOf(line) {
  return (line.inlines ?? []).map((run) => (typeof run === "string" ? { text: run } : run));
}

// Lines of one kind that follow on one another become one list, one table, or, but for a quotation, one paragraph.
function blocks(lines, draw, quoted = true) {
  const groups = [];
  for (const runs of lines) {
    const kind = kindOf(runs, quoted);
    const last = groups.at(-1);
    if (last?.kind === kind && !(quoted && kind === "p")) last.lines.push(runs);
    else groups.push({ kind, lines: [runs] });
  }
  return groups.map(({ kind, lines: own }) => {
    if (kind === "list") return list(own, draw);
    return kind === "p" || own.length === 1 ? paragraph(own, draw) : table(own, draw);
  });
}

function kindOf(runs, quoted) {
  const text = runs.map((run) => run.text).join("");
  if (ITEM.test(text)) return "list";
  return quoted && text.includes(CELLS) ? `table ${text.split(CELLS).length}` : "p";
}

function paragraph(lines, draw) {
  return element("p", {}, ...lines.flatMap((runs, at) => (at ? ["\n", ...draw(runs)] : draw(runs))));
}

function list(lines, draw) {
  const items = lines.map((runs) => {
    const [all, indent, sign] = ITEM.exec(runs.map((run) => run.text).join(""));
    const depth = Math.min(DEEPEST, indent.includes("\u2003") ? indent.length : Math.floor(indent.length / 2));
    return element("li", { class: `item depth-${depth}` }, element("span", { class: "sign" }, sign === "-" || sign === "*" ? "•" : sign), " ", element("span", {}, ...draw(after(runs, all.length))));
  });
  return element("ul", { class: "items" }, ...items);
}

function table(lines, draw) {
  const [head, ...rows] = lines.map((runs) => cells(runs).map(draw));
  const row = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, ...text)));
  const drawn = element("table", {}, element("thead", {}, row("th", head)), element("tbody", {}, ...rows.map((texts) => row("td", texts))));
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": say("Table of the page") }, drawn);
}

// The runs of a row, cell by cell: a cut may go through a run.
function cells(runs) {
  const made = [[]];
  for (const run of runs) {
    run.text.split(CELLS).forEach((text, at) => {
      if (at) made.push([]);
      if (text) made.at(-1).push({ ...run, text });
    });
  }
  return made;
}

function after(runs, skipped) {
  let left = skipped;
  return runs.flatMap((run) => {
    const text = run.text.slice(left);
    left = Math.max(0, left - run.text.length);
    return text ? [{ ...run, text }] : [];
  });
}

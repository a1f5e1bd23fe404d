// One card a figure: its value with the number that it rests on, how it has changed, its plot, and the plot as a table.

import { element } from "./element.js";
import { exportButtons } from "./export.js";
import { Plot } from "./plot.js";

const LOCALE = "en-GB";
const whole = new Intl.NumberFormat(LOCALE);
const pad = (value) => String(value).padStart(2, "0");

const percent = (value) => `${Math.round(value * 100)} %`;

/**
 * Values as people read them: `change` is how a difference is said, `tick` how the axis says a value. What else there is
 * tells the plot how its axis is divided.
 */
export const UNITS = {
  share: { text: percent, tick: percent, change: (v) => `${Math.abs(v * 100).toFixed(0)} points`, steps: [0.05, 0.1, 0.25, 0.5] },
  stars: { text: (v) => v.toFixed(1), tick: String, change: (v) => Math.abs(v).toFixed(1), range: [1, 5] },
  seconds: { text: seconds, tick: (v) => `${Number(v.toFixed(2))} s`, change: (v) => seconds(Math.abs(v)) },
  duration: { text: duration, tick: (v) => (v % 60 ? `${Number(v.toFixed(1))} s` : `${v / 60} min`), change: (v) => duration(Math.abs(v)), steps: [1, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600] },
  count: { text: (v) => whole.format(v), tick: (v) => (Number.isInteger(v) ? whole.format(v) : ""), change: (v) => whole.format(Math.abs(v)), steps: [1, 2, 5, 10, 20, 50, 100, 200, 500] },
};

function seconds(value) {
  if (value >= 60) return duration(value);
  return `${value >= 9.95 ? Math.round(value) : value.toFixed(value < 0.095 ? 2 : 1)} s`;
}

export function duration(value) {
  if (value < 60) return `${Math.round(value)} s`;
  if (value < 5400) return `${Math.floor(value / 60)}:${pad(Math.round(value % 60) % 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} days`;
}

/** What the cards show; `what` says what the number means, `of` what it is counted by. */
export const CARDS = [
  { name: "accuracy", title: "Accuracy", unit: "share", zoom: true, of: "judged", what: "Rightly answered, quoted or declined: a random sample." },
  { name: "precision", title: "Precision", unit: "share", zoom: true, of: "judged", what: "Right, of the answers in that sample; no quotations." },
  { name: "satisfaction", title: "Satisfaction", unit: "stars", of: "ratings", what: "Mean stars, 1 to 5." },
  { name: "liked_share", title: "Thumbs up", unit: "share", of: "thumbs", what: "Thumbs up, of all thumbs." },
  { name: "response_p50_s", second: "response_p95_s", title: "Response time", unit: "seconds", of: "answers", what: "The median, and what 95 of 100 stay below." },
  { name: "first_token_p50_s", second: "first_token_p95_s", title: "Time to first token", unit: "seconds", of: "answers", what: "Until the model’s first word." },
  { name: "ignore_rate", title: "Ignore rate", unit: "share", of: "answers", what: "Nothing happened for 30 minutes." },
  { name: "answers", title: "Questions", unit: "count", of: "", what: "Answered, quoted or declined; by the version that did." },
  { name: "time_on_tool_s", title: "Time on tool", unit: "duration", of: "sessions", what: "Mean length of a session." },
  { name: "verified_share", title: "Verified share", unit: "share", of: "answers", what: "Answers that a reviewer stands for." },
  { name: "answered_share", title: "Answered", unit: "share", of: "answers", what: "In the model’s or a reviewer’s words." },
  { name: "quoted_share", title: "Quoted", unit: "share", of: "answers", what: "In the words of a page, which may not be what was asked for." },
  { name: "abstained_share", title: "Declined", unit: "share", of: "answers", what: "Nothing near was found, and that was said." },
  { name: "quote_precision", title: "Quoted rightly", unit: "share", zoom: true, of: "judged", what: "Right, of what was quoted in the random sample." },
];

const FEWEST = 5;

/** A figure at a glance. A share of a few is its interval: one judgement says almost nothing, and not "100 %". */
export function glance(point, unit) {
  if (unit !== "share" || point.n >= FEWEST || point.low === undefined) return UNITS[unit].text(point.value);
  return `${Math.round(point.low * 100)}–${Math.round(point.high * 100)} %`;
}

/** A count with its noun, which is given as several: "1 thumb", "2,329 answers", "74 judged". */
export const counted = (count, nouns) => `${whole.format(count)} ${count === 1 ? nouns.replace(/s$/, "") : nouns}`;

/** A value with its count: "83 % (77–88 %), 150 judged". */
export function said(point, unit, of) {
  if (!point) return "nothing known";
  const bounds = point.low === undefined ? "" : ` (${Math.round(point.low * 100)}–${Math.round(point.high * 100)} %)`;
  if (unit === "share" && point.n < FEWEST && bounds) return `${glance(point, unit)}${of ? `, ${counted(point.n, of)}` : ""}`;
  return `${UNITS[unit].text(point.value)}${bounds}${of ? `, ${counted(point.n, of)}` : ""}`;
}

export class Card {
  constructor(spec, moved) {
    this.spec = spec;
    this.plot = new Plot(spec.title, moved);
    this.value = element("p", { class: "value" });
    this.change = element("p", { class: "change" });
    this.basis = element("p", { class: "basis" });
    this.reading = element("p", { class: "reading" });
    this.table = element("table", {});
    this.more = element("details", { class: "as-table" }, element("summary", {}, "Table", element("span", { class: "unseen" }, ` of ${spec.title}`)), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${spec.title} as a table` }, this.table), exportButtons(spec.name, spec.title, () => this.rows()));
    this.more.addEventListener("toggle", () => this.fill());
    this.node = element(
      "article",
      { class: "card", id: `card-${spec.name}`, "aria-labelledby": `title-${spec.name}` },
      element("h2", { id: `title-${spec.name}`, title: spec.what }, spec.title),
      this.value,
      this.change,
      this.basis,
      this.plot.node,
      this.reading,
      this.more,
    );
  }

  set(data, when) {
    const { spec } = this;
    this.data = data;
    this.when = when;
    const figure = data.figures[spec.name];
    const second = spec.second ? data.figures[spec.second] : null;
    const unit = UNITS[spec.unit];
    this.node.dataset.value = figure.now?.value ?? "";
    this.node.dataset.n = figure.now?.n ?? "";
    this.value.replaceChildren(
      figure.now ? glance(figure.now, spec.unit) : "–",
      ...(second?.now ? [element("small", {}, `p95 ${unit.text(second.now.value)}`)] : []),
    );
    this.node.dataset.few = String(isFew(figure.now, data, spec));
    this.basis.textContent = basis(figure.now, data, spec);
    change(this.change, figure, data, spec);
    this.plot.set({
      at: data.at.map((at) => Date.parse(at)),
      when: when.short,
      range: unit.range,
      steps: unit.steps,
      zoom: spec.zoom,
      tick: unit.tick,
      marks: data.marks,
      read: (bucket) => this.read(bucket),
      ...(spec.name === "answers"
        ? { stacks: data.versions.map(({ name, index, answers }) => ({ name, index, values: answers })) }
        : { lines: [figure, second].filter(Boolean).map((one, number) => ({ name: number ? spec.second : spec.name, points: one.points })) }),
    });
    this.point(null);
    this.fill();
  }

  /** What stands at a bucket, as a sentence. */
  read(bucket) {
    const { spec, data, when } = this;
    const point = data.figures[spec.name].points[bucket];
    const second = spec.second ? data.figures[spec.second].points[bucket] : null;
    const more = second ? `; p95 ${UNITS[spec.unit].text(second.value)}` : "";
    const week = data.figures[spec.name].smoothed && data.range.smoothed > 1 ? "week until " : "";
    const parts = spec.name === "answers" && point?.value ? `: ${this.parts(bucket).filter(([, count]) => count).map(([name, count]) => `${name} ${whole.format(count)}`).join(", ")}` : "";
    const begins = data.marks.filter((mark) => mark.bucket === bucket).map((mark) => ` · ${mark.label} begins`);
    return `${week}${when.long(Date.parse(data.at[bucket]))}: ${said(point, spec.unit, spec.of)}${parts}${more}${begins.join("")}`;
  }

  /** How many answers each version gave, as [name, count]. */
  parts(bucket) {
    return this.data.versions.map(({ name, answers }) => [name, answers[bucket] ?? 0]);
  }

  point(bucket) {
    this.plot.point(bucket);
    this.reading.textContent = bucket === null ? this.spec.what : this.read(bucket);
    this.reading.dataset.live = String(bucket !== null);
  }

  /** The plot as plain values: a row for each point of time. */
  rows() {
    const { spec, data } = this;
    const names = [spec.name, spec.second].filter(Boolean);
    const versions = spec.name === "answers" ? data.versions : [];
    const heads = ["time", ...names.flatMap((name) => [name, `${name}_n`, `${name}_low`, `${name}_high`]), ...versions.map(({ name }) => name)];
    const rows = data.at.map((at, bucket) => [
      at,
      ...names.flatMap((name) => {
        const point = data.figures[name].points[bucket];
        return [point?.value ?? null, point?.n ?? 0, point?.low ?? null, point?.high ?? null];
      }),
      ...versions.map(({ answers }) => answers[bucket] ?? 0),
    ]);
    return { heads, rows };
  }

  /** Fill the table when somebody looks at it. */
  fill() {
    if (!this.more.open || !this.data) return;
    const { spec, data, when } = this;
    const names = [spec.name, spec.second].filter(Boolean);
    const bounded = data.figures[spec.name].points.some((point) => point?.low !== undefined);
    const heads = ["Time (UTC)", ...names.map((name) => (name.includes("p95") ? "p95" : names.length > 1 ? "p50" : spec.title)), ...(bounded ? ["95 % interval"] : []), ...(spec.of ? [spec.of] : data.versions.map(({ name }) => name))];
    const rows = data.at.map((at, bucket) => {
      const points = names.map((name) => data.figures[name].points[bucket]);
      const bounds = points[0]?.low === undefined ? "" : `${(points[0].low * 100).toFixed(1)}–${(points[0].high * 100).toFixed(1)} %`;
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, when.long(Date.parse(at))),
        ...points.map((point) => element("td", { "data-value": point?.value ?? "" }, point ? UNITS[spec.unit].text(point.value) : "–")),
        ...(bounded ? [element("td", {}, bounds)] : []),
        ...(spec.of ? [element("td", {}, points[0] ? whole.format(points[0].n) : "0")] : this.parts(bucket).map(([, count]) => element("td", {}, whole.format(count)))),
      );
    });
    this.table.replaceChildren(
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows.reverse()),
    );
  }
}

const isFew = (now, data, spec) => Boolean(spec.of) && (now?.n ?? 0) < data.few;

function basis(now, data, { unit, of, name }) {
  if (!now) return ["accuracy", "precision", "quote_precision"].includes(name) ? "No random sample has been judged here yet." : "Nothing yet.";
  if (!of) return "";
  const bounds = now.low === undefined || now.n < FEWEST ? "" : `${Math.round(now.low * 100)}–${Math.round(now.high * 100)} % · `;
  const few = now.n < data.few ? " · too few to rely on" : "";
  return `${UNITS[unit] === UNITS.share ? bounds : ""}${counted(now.n, of)}${few}`;
}

const WORDS = { better: "better", worse: "worse", same: "may be chance", unclear: "too few to compare" };

function change(node, figure, data, { unit, name }) {
  node.hidden = !figure.changed;
  if (!figure.changed) return;
  const { by } = figure.changed;
  const arrow = Math.abs(by) < 1e-9 ? "=" : by > 0 ? "▲" : "▼";
  const told = name === "answers" && figure.before.value ? `${Math.abs((by / figure.before.value) * 100).toFixed(0)} %` : UNITS[unit].change(by);
  const word = data.neutral.includes(name) ? "" : WORDS[figure.tone];
  node.dataset.tone = figure.tone;
  node.title = `The ${data.span} before: ${said(figure.before, unit, "")}${name === "answers" ? "" : `, n = ${whole.format(figure.before.n)}`}`;
  node.replaceChildren(`${arrow} ${told}`, element("span", {}, word));
  node.setAttribute("aria-label", `${by > 0 ? "up" : "down"} ${told} against the ${data.span} before. ${word}`);
}

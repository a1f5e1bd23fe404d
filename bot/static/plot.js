// A figure over time as SVG: lines with their band, or stacked bars. Colours are the style sheet's, so they follow the theme.
// It is a slider for keyboards and screen readers: arrow keys move along the time, and what stands there is read out.

import { element, svg } from "./element.js";

const HEIGHT = 132;
const LEAST = 5; // a point that rests on fewer is a dot beside the line: it says next to nothing
const EDGE = { top: 16, right: 10, bottom: 20, left: 40 };

/** Round bounds and some lines between them, for values from 0 to `most`; `whole` steps are multiples of one of `steps`. */
function upTo(most, steps) {
  const rough = Math.max(most, 1e-9) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 2.5, 5, 10].map((one) => one * power);
  const step = (steps ?? round).find((one) => one >= rough * 0.999) ?? round.find((one) => one >= rough * 0.999);
  const count = Math.max(1, Math.ceil((most / step) * 0.999));
  return { from: 0, to: count * step, ticks: Array.from({ length: count + 1 }, (_, number) => number * step) };
}

/** The bounds of what is there: fixed ones, a share's upper part where all of it is high, or from 0 on. */
function axisOf({ range, zoom, steps }, lowest, highest) {
  if (zoom) {
    const from = [0.75, 0.5, 0.25, 0].find((one) => one <= lowest) ?? 0;
    return { from, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1].filter((one) => one >= from) };
  }
  if (range) return { from: range[0], to: range[1], ticks: Array.from({ length: range[1] - range[0] + 1 }, (_, number) => range[0] + number) };
  return upTo(highest, steps);
}

/**
 * One plot. `set` takes what it shows:
 *   at       moments (ms), one a bucket; `step` is a bucket's length (ms)
 *   lines    [{name, points: [{value, low?, high?, n} or null]}]; the first one's low and high are its band
 *   stacks   instead of lines: [{name, index, values: [n]}]
 *   range    [from, to] of the axis; or `zoom`: a share up to 1; or neither: from 0, in `steps`;  tick, when: → text
 *   marks    [{bucket, index, number, label}]: where a model version begins
 *   read(bucket) → the sentence that is read out
 * `moved(bucket or null)` hears where the cursor is; `point(bucket)` puts it there.
 */
export class Plot {
  constructor(label, moved) {
    this.drawn = svg("svg", { class: "plot", height: HEIGHT, "aria-hidden": "true", focusable: "false" });
    this.node = element(
      "div",
      { class: "plot-box", tabindex: "0", role: "slider", "aria-label": `${label} over time`, "aria-valuemin": "0" },
      this.drawn,
    );
    this.moved = moved;
    this.at = null;
    this.width = 0;
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width === this.width) return;
      this.width = width;
      this.draw();
    }).observe(this.node);
    this.node.addEventListener("pointermove", (event) => this.moved(this.bucketAt(event.offsetX)));
    this.node.addEventListener("pointerleave", () => this.moved(null));
    this.node.addEventListener("blur", () => this.moved(null));
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  set(shown) {
    this.shown = shown;
    this.node.setAttribute("aria-valuemax", Math.max(0, shown.at.length - 1));
    this.draw();
    this.point(null);
  }

  key(event) {
    const last = this.shown.at.length - 1;
    const from = this.at ?? last + (event.key === "ArrowLeft" ? 1 : 0);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 7, PageDown: from + 7, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.moved(null);
    if (to === undefined) return;
    event.preventDefault();
    this.moved(Math.min(last, Math.max(0, to)));
  }

  x(bucket) {
    const { at, stacks } = this.shown;
    const wide = this.width - EDGE.left - EDGE.right;
    return EDGE.left + (stacks || at.length === 1 ? ((bucket + 0.5) / at.length) * wide : (bucket / (at.length - 1)) * wide);
  }

  y(value) {
    const { from, to } = this.axis;
    const within = Math.min(to, Math.max(from, value));
    return EDGE.top + (1 - (within - from) / (to - from)) * (HEIGHT - EDGE.top - EDGE.bottom);
  }

  holds(value) {
    return value >= this.axis.from && value <= this.axis.to;
  }

  bucketAt(x) {
    const { at, stacks } = this.shown;
    const share = (x - EDGE.left) / (this.width - EDGE.left - EDGE.right);
    const place = stacks ? Math.floor(share * at.length) : Math.round(share * (at.length - 1));
    return Math.min(at.length - 1, Math.max(0, place));
  }

  draw() {
    if (!this.shown || this.width < 80) return;
    const { lines = [], stacks, at } = this.shown;
    const firm = lines.flatMap(({ points }) => points.filter(isFirm));
    const seen = firm.length ? firm : lines.flatMap(({ points }) => points.filter(Boolean));
    const tops = stacks
      ? at.map((_, bucket) => stacks.reduce((sum, one) => sum + (one.values[bucket] ?? 0), 0))
      : seen.map((point) => point.high ?? point.value);
    const lows = seen.map((point) => point.low ?? point.value);
    this.axis = axisOf(this.shown, Math.min(...lows, 1), Math.max(0, ...tops));
    this.drawn.setAttribute("width", this.width);
    this.drawn.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.cursor = svg("g", { class: "cursor" });
    this.drawn.replaceChildren(...this.grid(), ...(stacks ? this.bars() : this.curves()), ...this.begins(), this.cursor);
    this.point(this.at);
  }

  grid() {
    const right = this.width - EDGE.right;
    const across = this.axis.ticks.flatMap((tick) => [
      svg("line", { class: "grid", x1: EDGE.left, x2: right, y1: this.y(tick), y2: this.y(tick), "data-tick": tick }),
      text("tick", EDGE.left - 6, this.y(tick) + 4, this.shown.tick(tick), "end"),
    ]);
    const { at, when } = this.shown;
    const count = Math.min(at.length, Math.max(2, Math.floor(this.width / 110)));
    const places = [...new Set(Array.from({ length: count }, (_, number) => Math.round((number * (at.length - 1)) / Math.max(1, count - 1))))];
    const anchor = (bucket) => (at.length === 1 ? "middle" : bucket === 0 ? "start" : bucket === at.length - 1 ? "end" : "middle");
    return [...across, ...places.map((bucket) => text("tick", this.x(bucket), HEIGHT - 4, when(at[bucket]), anchor(bucket)))];
  }

  curves() {
    return this.shown.lines.flatMap(({ name, points }, number) => {
      const runs = unbroken(points);
      const place = (bucket, value) => `${this.x(bucket).toFixed(2)} ${this.y(value).toFixed(2)}`;
      const drawn = runs.slice(1).map((run, before) => {
        const ends = [runs[before].at(-1), run[0]].map((bucket) => place(bucket, points[bucket].value));
        return svg("path", { class: `gap line-${number}`, d: `M${ends.join("L")}` });
      });
      for (const run of runs) {
        const along = (of) => run.map((bucket) => place(bucket, of(points[bucket])));
        if (number === 0 && points[run[0]].low !== undefined) {
          const band = [...along((point) => point.high), ...along((point) => point.low).reverse()];
          drawn.push(svg("path", { class: run.length > 1 ? "band" : "band alone", d: `M${band.join("L")}Z` }));
        }
        drawn.push(svg("path", { class: `line line-${number}`, "data-line": name, "data-from": run[0], d: `M${along((point) => point.value).join("L")}` }));
        if (run.length === 1) drawn.push(this.dot(run[0], points, number, "dot", 2.5));
      }
      const thin = points.flatMap((point, bucket) => (point && !isFirm(point) && this.holds(point.value) ? [this.dot(bucket, points, number, "dot thin", 2)] : []));
      return [...drawn, ...thin];
    });
  }

  dot(bucket, points, number, kind, r) {
    return svg("circle", { class: `${kind} line-${number}`, cx: this.x(bucket), cy: this.y(points[bucket].value), r, "data-bucket": bucket });
  }

  bars() {
    const { stacks, at } = this.shown;
    const wide = (this.width - EDGE.left - EDGE.right) / at.length;
    const below = at.map(() => 0);
    return stacks.flatMap(({ name, index, values }) =>
      values.flatMap((value, bucket) => {
        if (!value) return [];
        const top = this.y(below[bucket] + value);
        const height = this.y(below[bucket]) - top;
        below[bucket] += value;
        const x = this.x(bucket) - wide * 0.4;
        return [svg("rect", { class: `bar v${index}`, x, y: top, width: wide * 0.8, height, "data-bucket": bucket, "data-stack": name })];
      }),
    );
  }

  begins() {
    let last = -100;
    return this.shown.marks.flatMap(({ bucket, index, number, label }) => {
      const x = this.x(bucket);
      const shown = Math.max(x, last + 15);
      last = shown;
      return [
        svg("line", { class: `begin v${index}`, x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
        svg("circle", { class: `badge v${index}`, cx: shown, cy: 8, r: 7 }, svg("title", {}, label)),
        text("badge-text", shown, 11.5, String(number + 1), "middle"),
      ];
    });
  }

  /** Put the cursor at a bucket (null: nowhere). */
  point(bucket) {
    this.at = bucket;
    if (!this.shown || !this.cursor) return;
    const shown = bucket ?? this.shown.at.length - 1;
    this.node.setAttribute("aria-valuenow", Math.max(0, shown));
    this.node.setAttribute("aria-valuetext", this.shown.at.length ? this.shown.read(shown) : "nothing yet");
    if (bucket === null || bucket >= this.shown.at.length) {
      this.cursor.replaceChildren();
      return;
    }
    const x = this.x(bucket);
    const dots = (this.shown.lines ?? []).flatMap(({ points }, number) =>
      points[bucket] ? [this.dot(bucket, points, number, "dot", 3.5)] : [],
    );
    this.cursor.replaceChildren(svg("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }), ...dots);
  }
}

const isFirm = (point) => Boolean(point) && point.n >= LEAST;

/** Runs of buckets that have a value which rests on something. */
function unbroken(points) {
  const runs = [];
  let last = -2;
  points.forEach((point, bucket) => {
    if (!isFirm(point)) return;
    if (bucket === last + 1) runs.at(-1).push(bucket);
    else runs.push([bucket]);
    last = bucket;
  });
  return runs;
}

const text = (kind, x, y, words, anchor) => svg("text", { class: kind, x, y, "text-anchor": anchor }, words);

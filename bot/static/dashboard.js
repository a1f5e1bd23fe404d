// The dashboard: what is chosen, when it is read, and the panels. Cards are in figures.js, plots in plot.js.

import { countKinds, showAsking, showOutcome } from "./asking.js";
import { element } from "./element.js";
import { exportButtons, save } from "./export.js";
import { CARDS, Card, UNITS, duration, glance } from "./figures.js";
import { showGaps } from "./gaps.js";
import { showLearning } from "./learning.js";
import { Plot } from "./plot.js";
import { showTokens } from "./tokens.js";

const $ = (id) => document.getElementById(id);
const POLL_MS = 60_000;
const OLD_MS = 15_000;
const COLOURS = 6;
const NEUTRAL = ["answers", "verified_share", "answered_share", "quoted_share", "abstained_share"];
const FAILED = ["failed", "died"];
const CHANNELS = { msteams: "Teams", slack: "Slack", local: "Chat page", widget: "Widget", cli: "Command line" };
const RULINGS = { approved: "approved", corrected: "corrected", not_on_page: "not on the page", rejected: "no question", waiting: "waits" };

const cards = CARDS.map((spec) => new Card(spec, point));
$("cards").append(...cards.map(({ node }) => node));
let shown = null;
let readAt = 0;
let asking = null;

function point(bucket) {
  for (const card of cards) if (card.data) card.point(bucket);
}

// What is chosen

function query() {
  const chosen = new FormData($("filters"));
  const range = chosen.get("range") ?? "auto";
  return new URLSearchParams(["range", "channel", "version", "site"].map((name) => [name, name === "range" ? range : (chosen.get(name) ?? "")]).filter(([, value]) => value));
}

function choose(params) {
  const form = $("filters");
  for (const radio of form.elements.range) radio.checked = radio.value === params.get("range");
  for (const name of ["channel", "version", "site"]) offer(name, [params.get(name)].filter(Boolean), params.get(name) ?? "");
}

function offer(name, values, chosen) {
  const select = $("filters").elements[name];
  const all = [...new Set([...values, chosen].filter(Boolean))].sort();
  const same = all.join("\n") === [...select.options].slice(1).map(({ value }) => value).join("\n");
  if (!same) {
    const options = all.map((value) => element("option", { value }, name === "channel" ? (CHANNELS[value] ?? value) : value));
    select.replaceChildren(element("option", { value: "" }, "all"), ...options);
  }
  select.value = chosen;
}

$("filters").addEventListener("change", () => {
  history.replaceState(null, "", `?${query()}`);
  read();
});
$("filters").addEventListener("submit", (event) => event.preventDefault());

// Reading

async function read() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const token = sessionStorage.getItem("askpage-dashboard-token");
  $("main").setAttribute("aria-busy", "true");
  let response;
  try {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    response = await fetch(`/dashboard/data?${query()}`, { cache: "no-store", headers, signal: mine.signal });
  } catch {
    if (mine === asking && !mine.signal.aborted) problem("askpage cannot be reached.");
    return;
  }
  const body = await response.json().catch(() => ({}));
  if (mine !== asking) return;
  $("main").setAttribute("aria-busy", "false");
  if (response.status === 401) return askForToken(body.error);
  if (!response.ok) return problem(body.error?.message ?? "The figures could not be read.");
  readAt = Date.now();
  shown = body;
  show(body);
}

function askForToken(error) {
  sessionStorage.removeItem("askpage-dashboard-token");
  $("door").hidden = false;
  $("shown").hidden = true;
  $("filters").hidden = true;
  $("problem").hidden = true;
  fresh("closed", "Closed");
  if (error?.code === "token_unknown") $("door-why").textContent = error.message;
  $("token").focus();
}

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("askpage-dashboard-token", $("token").value.trim());
  $("token").value = "";
  read();
});

function problem(sentence) {
  $("main").setAttribute("aria-busy", "false");
  $("problem").hidden = false;
  $("problem").replaceChildren(
    shown ? `${sentence} What you see is from ${clock(readAt)}. ` : `${sentence} `,
    element("button", { type: "button", onclick: () => read() }, "Try again"),
  );
  document.body.dataset.state = shown ? "stale" : "error";
  fresh("problem", shown ? `As of ${clock(readAt)}` : "Not reachable");
}

function fresh(state, words) {
  $("fresh").dataset.state = state;
  $("fresh").textContent = words;
}

const again = () => {
  if (!document.hidden && $("door").hidden && Date.now() - readAt > OLD_MS) read();
};
setInterval(() => !document.hidden && $("door").hidden && read(), POLL_MS);
document.addEventListener("visibilitychange", again);
window.addEventListener("focus", again);

// Showing

const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

function times({ range: { step_s: step }, at }) {
  const day = { day: "numeric", month: "short", timeZone: "UTC" };
  const hour = { hour: "2-digit", minute: "2-digit", timeZone: "UTC" };
  const format = (options) => {
    const made = new Intl.DateTimeFormat("en-GB", options);
    return (at) => made.format(at);
  };
  if (step >= 86400) return { short: format(day), long: format({ ...day, weekday: "short" }) };
  const days = Date.parse(at.at(-1)) - Date.parse(at[0]) > 72_000_000;
  return { short: format(days ? { weekday: "short", ...hour } : hour), long: format({ ...day, ...hour }) };
}

function show(body) {
  $("door").hidden = true;
  $("problem").hidden = true;
  $("shown").hidden = false;
  $("filters").hidden = false;
  document.body.dataset.state = "shown";
  const data = prepared(body);
  const params = new URLSearchParams({ ...body.chosen, range: body.range.name });
  for (const radio of $("filters").elements.range) radio.checked = radio.value === body.range.name;
  for (const name of ["channel", "version", "site"]) offer(name, body.choices[name], params.get(name) ?? "");
  for (const card of cards) card.set(data, times(body));
  const kinds = countKinds(data);
  $("card-answers").querySelector(".value").append(" ", element("small", {}, ["answered", "quoted", "declined"].map((kind) => `${UNITS.count.text(kinds[kind])} ${kind}`).join(", ")));
  const answered = body.figures.answers.now?.value ?? 0;
  const filtered = Object.values(body.chosen).some(Boolean);
  $("empty").hidden = answered > 0;
  $("empty").textContent = filtered ? "No answers match what you chose." : "Nobody has asked anything in this time. Ask something on the chat page or in Teams, and it shows here.";
  $("cards").hidden = answered === 0;
  $("save-all").disabled = false;
  showOutcome(data);
  showAsking(data);
  showGaps(data);
  showFresh(body);
  showNow(data);
  showLearning(data, CHANNELS);
  showVersions(data);
  showTokens(data, times(body));
  showWorst(body);
  showReviews(body, times(body));
  showJobs(body);
}

/** Give the versions their colours, and mark where they begin. */
function prepared(body) {
  const versions = body.versions.map((version) => ({ ...version, index: version.number === null ? COLOURS : version.number % COLOURS }));
  const marks = versions
    .filter(({ number, bucket }) => number !== null && bucket > 0)
    .map(({ bucket, index, number, name }) => ({ bucket, index, number, label: name }))
    .sort((one, other) => one.bucket - other.bucket || one.number - other.number);
  const span = body.range.name === "hours" ? "time" : `${body.range.name} days`;
  return { ...body, versions, marks, span, neutral: NEUTRAL };
}

function showFresh(body) {
  const old = body.as_of ? (Date.parse(body.now) - Date.parse(body.as_of)) / 1000 : null;
  if (body.live) return fresh("live", `Live · ${clock(readAt)}`);
  const words = old === null ? "Never summed up" : `Summed up ${duration(old)} ago`;
  fresh(body.stale || old === null ? "stale" : "live", words);
  if (body.stale || old === null) {
    $("problem").hidden = false;
    $("problem").textContent = `${words}: newer answers are missing. Schedule the job roll_up_metrics, or run “askpage jobs run roll_up_metrics”.`;
  }
}

function showNow(data) {
  const items = [];
  const live = data.versions.find(({ status }) => status === "live");
  const canary = data.versions.find(({ status }) => status === "canary");
  if (live) items.push(chip("Live", live.name, live.share < 1 ? share(live.share) : "everybody", live));
  if (canary) items.push(chip("Canary", canary.name, share(canary.share), canary));
  const { waiting, oldest_s: oldest } = data.backlog;
  items.push(chip("Reviews", waiting ? `${waiting} ${waiting === 1 ? "waits" : "wait"}` : "none waits", waiting ? `the oldest ${duration(oldest)}` : "", null, oldest > 3 * 86400 ? "worse" : ""));
  const failed = (data.jobs ?? []).filter(({ outcome }) => FAILED.includes(outcome));
  if (data.jobs?.length) items.push(chip("Jobs", failed.length ? `${failed.map(({ name }) => name).join(", ")} failed` : "in order", "", null, failed.length ? "worse" : ""));
  if (data.range.step_s < 86400) items.push(chip("Shown", [data.at[0], data.at.at(-1)].map((at) => times(data).long(Date.parse(at))).join(" to "), "UTC"));
  $("now").replaceChildren(...items);
}

const share = (value) => `${Math.round(value * 100)} % of conversations`;

function chip(kind, name, more, version = null, tone = "") {
  return element("li", { "data-tone": tone }, element("span", { class: "kind" }, kind), " ", version && badge(version), element("strong", {}, name), " ", element("span", {}, more));
}

const badge = ({ index, number }) => element("span", { class: `mark v${index}`, "aria-hidden": "true" }, number === null ? "✓" : String(number + 1));

const COLUMNS = [
  ["answers", "Answers", "count"],
  ["accuracy", "Accuracy", "share"],
  ["precision", "Precision", "share"],
  ["quoted_share", "Quoted", "share"],
  ["abstained_share", "Declined", "share"],
  ["satisfaction", "Stars", "stars"],
  ["ignore_rate", "Ignored", "share"],
  ["response_p50_s", "Response p50", "seconds"],
  ["response_p95_s", "p95", "seconds"],
  ["first_token_p50_s", "First token p50", "seconds"],
  ["time_on_tool_s", "Time on tool", "duration"],
];

function showVersions(data) {
  $("versions").hidden = !data.versions.length;
  const cell = (version, [name, , unit]) => {
    const point = version.figures[name];
    if (!point) return element("td", { class: "none" }, "–");
    const few = name !== "answers" && point.n < data.few;
    const bounds = point.low === undefined || name === "ignore_rate" ? "" : ` · ${Math.round(point.low * 100)}–${Math.round(point.high * 100)}`;
    const basis = name === "answers" ? null : element("small", {}, `n ${point.n}${bounds}`);
    return element("td", { "data-few": String(few), "data-figure": name, "data-value": point.value }, glance(point, unit), basis);
  };
  const rows = data.versions.map((version) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, badge(version), element("span", { class: "name" }, version.number === null ? "verified answers" : version.name), element("small", {}, standing(version))),
      ...COLUMNS.map((column) => cell(version, column)),
    ),
  );
  $("versions-table").replaceChildren(
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Version"), ...COLUMNS.map(([, title]) => element("th", { scope: "col" }, title)))),
    element("tbody", {}, ...rows),
  );
  const heads = ["version", "status", "share", ...COLUMNS.flatMap(([name]) => [name, `${name}_n`])];
  const plain = () => data.versions.map(({ name, status, share: part, figures }) => [name, status, part, ...COLUMNS.flatMap(([figure]) => [figures[figure]?.value ?? null, figures[figure]?.n ?? 0])]);
  $("versions-export").replaceChildren(exportButtons("versions", "By model version", () => ({ heads, rows: plain() })));
}

function standing({ status, share: part }) {
  if (status === "reviewed") return "what reviewers stand for";
  return part === null ? status : `${status}, ${Math.round(part * 100)} %`;
}

function showWorst(body) {
  $("worst").hidden = body.worst === null;
  if (body.worst === null) return;
  const rows = body.worst.map((one) =>
    element(
      "li",
      {},
      element("p", { class: "rating", "aria-label": `${one.mean.toFixed(1)} of 5 from ${one.n}` }, one.starred ? element("span", {}, `★ ${one.stars.toFixed(1)}`) : null, one.dislikes ? element("span", {}, `▼ ${one.dislikes}`) : null, one.likes ? element("span", {}, `▲ ${one.likes}`) : null),
      element(
        "div",
        {},
        element("p", { class: "asked" }, one.answer_id ? element("a", { href: `/reviews#review=${encodeURIComponent(one.answer_id)}` }, one.question) : one.question),
        element("p", { class: "answered" }, one.answer),
        element("p", { class: "where" }, [`${one.n} ${one.n === 1 ? "person" : "people"}`, new Date(one.at).toLocaleDateString("en-GB", { day: "numeric", month: "short" }), CHANNELS[one.channel] ?? one.channel, one.site, one.version, `review: ${RULINGS[one.review] ?? "none"}`].join(" · ")),
      ),
    ),
  );
  $("worst-list").replaceChildren(rows.length ? element("ol", {}, ...rows) : element("p", { class: "none" }, "Nobody has rated an answer badly in this time."));
  const names = ["question", "answer", "at", "channel", "site", "version", "mean", "n", "stars", "likes", "dislikes", "review"];
  $("worst-export").replaceChildren(rows.length ? exportButtons("worst-rated", "Worst-rated questions", () => ({ heads: names, rows: body.worst.map((one) => names.map((name) => one[name])) })) : "");
}

const waiting = new Plot("Reviews that wait", (bucket) => {
  waiting.point(bucket);
  $("reviews-reading").textContent = waiting.node.getAttribute("aria-valuetext");
});
$("reviews-plot").append(waiting.node);

function showReviews(body, when) {
  $("reviews").hidden = false;
  const { waiting: now, oldest_s: oldest, median_s: median, waited } = body.backlog;
  $("reviews-facts").replaceChildren(...fact("Waiting", String(now)), ...fact("Oldest", now ? duration(oldest) : "–"), ...fact("Median", now ? duration(median) : "–"));
  const points = waited.map((value) => (value === null ? null : { value, n: Infinity }));
  $("reviews-plot").hidden = points.filter(Boolean).length < 2;
  waiting.set({
    at: body.at.map((at) => Date.parse(at)),
    when: when.short,
    range: null,
    tick: UNITS.count.tick,
    marks: [],
    lines: [{ name: "waiting", points }],
    read: (bucket) => `${when.long(Date.parse(body.at[bucket]))}: ${points[bucket] ? `${points[bucket].value} waited` : "not known"}`,
  });
  $("reviews-reading").textContent = "";
  $("reviews-export").replaceChildren(exportButtons("reviews", "Reviews that wait", () => ({ heads: ["time", "waiting"], rows: body.at.map((at, bucket) => [at, waited[bucket]]) })));
}

const fact = (name, value) => [element("div", {}, element("dt", {}, name), element("dd", {}, value))];

function showJobs(body) {
  $("jobs").hidden = body.jobs === null;
  if (body.jobs === null) return;
  const at = (moment) => (moment ? `${new Date(moment).toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock(moment)}` : "");
  const rows = body.jobs.map((job) =>
    element(
      "li",
      { "data-outcome": FAILED.includes(job.outcome) ? "failed" : job.outcome },
      element("strong", {}, job.name),
      element("span", { class: "outcome" }, job.outcome || "has not run"),
      element("small", {}, [job.ended_at && `${at(job.ended_at)}`, job.seconds !== null && job.seconds >= 0.01 && `${UNITS.seconds.text(job.seconds)}`, job.next_at && `next ${at(job.next_at)}`].filter(Boolean).join(" · ")),
      FAILED.includes(job.outcome) && job.error ? element("small", { class: "said" }, job.error) : null,
    ),
  );
  $("jobs-body").replaceChildren(rows.length ? element("ul", { class: "runs" }, ...rows) : element("p", { class: "none" }, "No job has run yet."));
  const names = ["name", "outcome", "ended_at", "seconds", "next_at", "error"];
  $("jobs-export").replaceChildren(rows.length ? exportButtons("jobs", "Jobs", () => ({ heads: names, rows: body.jobs.map((job) => names.map((name) => job[name])) })) : "");
}

$("save-all").disabled = true;
$("save-all").addEventListener("click", () => save("askpage-dashboard.json", "application/json", `${JSON.stringify({ address: location.href, ...shown }, null, 1)}\n`));
$("print").addEventListener("click", () => print());

choose(new URLSearchParams(location.search));
read();

// The tab in Teams: Teams says who looks (a token of Entra), the bot says what there is of them.

import { withDates } from "./dates.js";
import { element } from "./element.js";
import { language, say } from "./language.js";

const PATH = "/teams/tab";
const OUTSIDE_MS = 8_000;
const OUTSIDE = say("This page is a tab of Teams: open it there, in the bot's app.");
const place = (id) => document.getElementById(id);

/** Something that a person should read. */
class Failed extends Error {}

function tell(sentence, kind = "done", where = "said") {
  place(where).dataset.kind = kind;
  place(where).hidden = !sentence;
  place(where).replaceChildren(...(sentence ? [sentence].flat() : []));
}

async function request(path, body) {
  const token = await microsoftTeams.authentication.getAuthToken().catch((error) => {
    throw new Failed(say("Teams could not sign you in: {reason}", { reason: error?.message ?? error }));
  });
  const headers = { Authorization: `Bearer ${token}`, "Accept-Language": language, ...(body ? { "Content-Type": "application/json" } : {}) };
  const sent = body ? { method: "POST", body: JSON.stringify(body) } : {};
  const response = await fetch(`${PATH}/${path}`, { cache: "no-store", credentials: "omit", headers, ...sent }).catch(() => {
    throw new Failed(say("The bot cannot be reached. Please open this tab again in a minute."));
  });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failed(said.error ?? say("That did not work."));
  return said;
}

const nameOfPress = () => crypto.randomUUID();
const link = (url, text) => (/^https?:/.test(url) ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text) : element("span", {}, text));

/** Draw what stands on a card; its title is the section's own. */
function drawCard(drawn) {
  return drawn.map((one) => {
    if (one.kind === "title") return null;
    if (one.kind === "heading") return element("h3", {}, withDates(one.text));
    if (one.kind === "source") return element("p", { class: "small" }, link(one.url, one.name), one.quote ? ` ${one.quote}` : "");
    if (one.kind !== "facts") return element("p", { class: one.small ? "small" : null }, withDates(one.text));
    return element("dl", { class: "facts" }, ...one.pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }).filter(Boolean);
}

function drawQuestion(one) {
  const sources = one.sources.map((source) => element("li", {}, link(source.url, source.name)));
  return element("li", {},
    element("h3", {}, one.text),
    element("p", { class: "state" }, element("span", {}, withDates(one.day)), one.state ? element("span", {}, one.state) : null),
    element("p", { class: "answer" }, one.answer),
    sources.length ? element("ul", { class: "sources", "aria-label": say("Sources") }, ...sources) : null,
  );
}

function drawPages(pages) {
  const groups = pages.groups.flatMap((group) => [
    group.name ? element("h3", {}, group.name) : null,
    element("ul", {}, ...group.pages.map((page) => element("li", {}, link(page.url, page.name)))),
    group.more ? element("p", { class: "small" }, group.more) : null,
  ]);
  return [element("p", { class: "small" }, pages.text), ...groups, pages.more ? element("p", { class: "small" }, pages.more) : null].filter(Boolean);
}

let learning = true;

function draw(mine) {
  learning = mine.learning;
  place("asked").textContent = countQuestions(mine);
  place("questions").replaceChildren(...mine.questions.map(drawQuestion));
  place("changes").replaceChildren(...drawCard(mine.changes));
  place("pages").replaceChildren(...drawPages(mine.pages));
  place("privacy").replaceChildren(...drawCard(mine.privacy));
  place("learning").textContent = learning ? say("Stop learning from me") : say("Learn from me again");
  place("mine").hidden = false;
  tell("");
}

function countQuestions({ asked, questions }) {
  if (asked === 0) return say("You have not asked anything yet: ask in the chat.");
  return asked > questions.length ? say("These are the latest {shown} of {count}.", { shown: questions.length, count: asked }) : "";
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    tell(error.message, "problem");
    place("said").scrollIntoView();
  } finally {
    place("main").setAttribute("aria-busy", "false");
  }
}

const refresh = async () => draw(await request("overview"));

async function exportData() {
  const { url } = await request("export", { press: nameOfPress() });
  tell([link(url, say("Open the file with your data (for ten minutes)"))], "done", "file");
}

async function chooseLearning() {
  await request("learning", { press: nameOfPress(), on: !learning });
  await refresh();
}

async function deleteData() {
  await request("delete", { press: nameOfPress(), sure: true });
  tell("", "done", "file");
  await refresh();
  tell(say("Your data is being deleted. This takes a moment; what you still see here will disappear, too."));
  place("said").scrollIntoView();
}

/** Teams' themes are default, dark and contrast; the last has dark ground. */
function useTheme(theme) {
  document.documentElement.dataset.theme = theme === "dark" || theme === "contrast" ? "dark" : "light";
}

/** Load the page in Teams' language, once, where the browser's is another one. */
function speakAs(locale = "") {
  const asked = new URLSearchParams(location.search).has("language");
  if (asked || !locale || locale.slice(0, 2).toLowerCase() === language) return false;
  location.replace(`${PATH}?${new URLSearchParams({ language: locale })}`);
  return true;
}

async function begin() {
  const outside = new Promise((_, fail) => setTimeout(() => fail(new Failed(OUTSIDE)), OUTSIDE_MS));
  if (!globalThis.microsoftTeams || window.parent === window) throw new Failed(OUTSIDE);
  await Promise.race([microsoftTeams.app.initialize(), outside]).catch((error) => {
    throw error instanceof Failed ? error : new Failed(OUTSIDE);
  });
  microsoftTeams.app.registerOnThemeChangeHandler(useTheme);
  const { theme, locale } = (await microsoftTeams.app.getContext()).app;
  useTheme(theme);
  if (speakAs(locale)) return;
  await refresh();
}

place("export").addEventListener("click", () => attempt(exportData));
place("learning").addEventListener("click", () => attempt(chooseLearning));
place("delete").addEventListener("click", () => place("sure").showModal());
place("sure").addEventListener("close", () => {
  if (place("sure").returnValue === "yes") attempt(deleteData);
  place("sure").returnValue = "";
});
attempt(begin);

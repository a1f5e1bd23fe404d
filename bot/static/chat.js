// The chat page: who speaks, and which conversation. The messages are in thread.js, the server in wire.js.

import { ask, makeActions } from "./actions.js";
import { Composer } from "./composer.js";
import { element, icon } from "./element.js";
import { Files } from "./files.js";
import { number, say, sayCount } from "./language.js";
import { Thread } from "./thread.js";
import { config, follow, get, post } from "./wire.js";

const $ = (id) => document.getElementById(id);
let person = null;
let conversation = null;
let stop = () => {};

// People

const slug = (name) => {
  const plain = name.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 20);
  const sum = [...name].reduce((all, letter) => (all * 31 + letter.codePointAt(0)) % 2 ** 32, 7);
  return `guest-${plain ? `${plain}-` : ""}${sum.toString(36)}`;
};

function people() {
  const guests = JSON.parse(localStorage.getItem("askpage-guests") ?? "[]");
  return [...config.people, ...guests];
}

function fillPeople() {
  const options = people().map(({ id, name }) => element("option", { value: id }, name));
  $("person").replaceChildren(...options, element("option", { value: "?" }, say("Someone else…")));
  $("person").value = person.id;
  $("avatar").textContent = [...person.name][0].toUpperCase();
}

function speakAs(next) {
  person = next;
  localStorage.setItem("askpage-person", person.id);
  fillPeople();
  $("other").hidden = true;
  $("find").value = "";
}

async function become(next) {
  speakAs(next);
  const mine = await attempt(() => get(`/local/conversations?${new URLSearchParams({ person: person.id })}`));
  if (mine?.length) show(mine[0].id);
  else if (mine) await begin();
}

$("person").addEventListener("change", () => {
  if ($("person").value === "?") {
    $("other").hidden = false;
    $("other-name").focus();
    return;
  }
  const chosen = people().find(({ id }) => id === $("person").value);
  if (chosen && chosen.id !== person.id) become(chosen);
});

$("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("other-name").value.trim();
  if (!name) return;
  const guest = { id: slug(name), name };
  const guests = people().slice(config.people.length).filter(({ id }) => id !== guest.id);
  localStorage.setItem("askpage-guests", JSON.stringify([...guests, guest].slice(-8)));
  $("other-name").value = "";
  become(guest);
  $("question").focus();
});

$("other").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  $("other").hidden = true;
  $("person").value = person.id;
  $("person").focus();
});

// Conversations

async function begin() {
  const begun = await attempt(() => post("/local/conversations", { person }));
  if (begun) show(begun.id);
}

function show(id) {
  stop();
  composer.cancel();
  files.take();
  conversation = id;
  thread.clear();
  stop = follow(id, events);
  openSide(false);
  listConversations();
}

async function listConversations() {
  const words = $("find").value.trim();
  const mine = await get(`/local/conversations?${new URLSearchParams({ person: person.id, words })}`).catch(() => []);
  $("no-chats").hidden = !words || mine.length > 0;
  $("chats").replaceChildren(
    ...mine.map((one) =>
      element(
        "li",
        {},
        element(
          "button",
          { type: "button", "aria-current": one.id === conversation ? "true" : null, onclick: () => show(one.id) },
          one.title || say("New conversation"),
        ),
      ),
    ),
  );
  const here = mine.find((one) => one.id === conversation);
  if (!here && words) return; // what is open does not have these words
  named = here?.named ? here.title : "";
  const title = here?.title || say("New conversation");
  $("title").textContent = title;
  document.title = `${title} · askpage`;
}

let named = "";
let findTimer = 0;
$("find").addEventListener("input", () => {
  clearTimeout(findTimer);
  findTimer = setTimeout(listConversations, 200);
});

$("keep-name").addEventListener("click", () => $("naming").close("cancel"));
$("rename").addEventListener("click", async () => {
  $("name").value = named;
  const asking = ask($("naming"));
  $("name").select();
  if ((await asking) !== "rename") return;
  await attempt(() => post("/local/rename", { conversation, title: $("name").value }));
  await listConversations();
});
$("end").addEventListener("click", async () => {
  if ((await ask($("ending"))) !== "delete") return;
  if (await attempt(() => post("/local/end", { conversation }))) await become(person);
  $("question").focus();
});

/** Open what a link leads to, in the name of whose conversation it is; false where there is none. */
async function openLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.get("conversation")) return false;
  history.replaceState(null, "", location.pathname);
  const found = await get(`/local/conversations/${encodeURIComponent(link.get("conversation"))}`).catch(() => null);
  if (!found) {
    toast(say("This link leads to something that no longer exists."));
    return false;
  }
  speakAs(people().find(({ id }) => id === found.person.id) ?? found.person);
  wanted = link.get("message") ?? "";
  show(found.id);
  return true;
}

let wanted = "";

$("new").addEventListener("click", async () => {
  await begin();
  $("question").focus();
});

// What the server tells

const events = {
  conversation({ messages }) {
    thread.replace(messages);
    if (wanted) thread.reveal(wanted);
    wanted = "";
  },
  message: (shown) => thread.take(shown),
  deleted({ id }) {
    thread.remove(id);
    listConversations();
  },
  typing: () => thread.type(),
  status({ loading }) {
    banner(loading);
  },
  state(name) {
    const words = { connected: say("Connected"), reconnecting: say("Reconnecting…") };
    $("connection").textContent = words[name];
    $("connection").dataset.state = name;
  },
  gone() {
    begin();
  },
};

/** Show what belongs to an empty or a begun conversation. */
function settle() {
  const all = thread.shown;
  const asked = all.some(({ sender }) => sender === "user");
  const offered = all.some(({ cards }) => cards?.some((card) => card.actions?.length));
  $("empty").hidden = !thread.whole || all.length > 0;
  $("suggestions").hidden = !thread.whole || asked || offered || !config.suggestions.length;
  $("knows").hidden = !thread.whole || asked || !config.knows.length;
  $("stop").hidden = !thread.works;
  $("send").hidden = thread.works;
  thread.toBottom();
}

$("stop").addEventListener("click", async () => {
  $("typing").hidden = true;
  await attempt(() => post("/local/stop", { conversation }));
  settle();
  $("question").focus();
});

function banner(loading) {
  const words = config.cards ? loading : say("Cards cannot be shown: their renderer is not installed. Stop askpage, run “make setup”, and start it again.");
  $("banner").hidden = !words;
  $("banner").dataset.kind = config.cards ? "loading" : "problem";
  if ($("banner").textContent !== (words ?? "")) $("banner").textContent = words ?? "";
}

// What the person does

const act = makeActions({
  send: (body) => send(body),
  toast: (words) => toast(words),
  announce: (words) => announce(words),
  confirm: async () => (await ask($("confirm"))) === "delete",
  edit: (shown) => composer.edit(shown),
  grown: () => thread.toBottom(),
  linkTo: (shown) => `${location.origin}/#${new URLSearchParams({ conversation, message: shown.id })}`,
});

const thread = new Thread(
  { list: $("messages"), scroll: $("scroll"), latest: $("latest"), typing: $("typing"), question: $("question"), announce: $("announce") },
  act,
  {
    settled: () => settle(),
    asked: () => listConversations(),
    arrived: () => {},
    dropped: (id) => composer.edited?.id === id && composer.cancel(),
  },
);

const send = (body) => attempt(() => post("/local/activities", { conversation, ...body }));

/** Do something that may fail; tell the person when it did, and return undefined. */
async function attempt(work) {
  try {
    return await work();
  } catch (failed) {
    if (!failed.code) throw failed;
    toast(failed.message);
    return undefined;
  }
}

const composer = new Composer(
  { form: $("composer"), box: $("question"), send: $("send"), editing: $("editing"), cancel: $("cancel-edit") },
  { submit, lastOwn: () => thread.lastOwn, hasFiles: () => files.waiting.length > 0 },
);
const files = new Files(
  { list: $("files"), input: $("file"), button: $("attach"), drop: $("composer").parentElement },
  { conversation: () => conversation, attempt, toast, changed: () => composer.fit() },
);

async function submit(text, edited) {
  const message = { type: "message", text, ...(files.waiting.length && !edited && { files: files.take() }) };
  const sent = await send(edited ? { type: "messageUpdate", id: edited.id, text } : message);
  return sent || thread.shown.some((shown) => shown.failed && shown.text === text);
}

// The rest of the page

function announce(words) {
  $("announce").textContent = words;
}

let toastTimer = 0;
function toast(words) {
  $("toast").textContent = words;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").hidden = true), 8000);
}

function openSide(open) {
  document.body.classList.toggle("side-open", open);
  $("shade").hidden = !open;
  $("menu").setAttribute("aria-expanded", String(open));
  if (open) $("close-side").focus();
}
$("menu").addEventListener("click", () => openSide(true));
for (const id of ["shade", "close-side"])
  $(id).addEventListener("click", () => {
    openSide(false);
    $("menu").focus();
  });
$("side").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("side-open")) {
    openSide(false);
    $("menu").focus();
  }
});

for (const radio of document.querySelectorAll("input[name=theme]")) {
  radio.checked = radio.value === document.documentElement.dataset.theme;
  radio.addEventListener("change", () => {
    document.documentElement.dataset.theme = radio.value;
    document.cookie = `askpage-theme=${radio.value}; path=/; max-age=31536000; samesite=strict`;
  });
}

const languages = Object.entries(config.languages);
$("language-row").hidden = !languages.length;
$("language").append(...languages.map(([code, name]) => element("option", { value: code, lang: code }, name)));
$("language").value = config.chosen_language;
$("language").addEventListener("change", () => {
  document.cookie = `askpage-language=${$("language").value}; path=/; max-age=31536000; samesite=strict`;
  location.reload();
});

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));
$("suggestions").replaceChildren(
  ...config.suggestions.map((text) => element("li", {}, element("button", { type: "button", class: "chip", onclick: () => act.say(text) }, text))),
);
const known = config.knows.reduce((sum, { count }) => sum + count, 0);
const folders = config.knows.slice(0, 4).map(({ name, count }) => (config.knows.length > 1 ? `${name} (${number(count)})` : name));
$("knows").replaceChildren(...describeKnown(known, folders));

/** What is known, as a sentence in which the number of pages is a link. */
function describeKnown(count, names) {
  const pages = sayCount("{count} page", "{count} pages", count);
  const places = names.join(", ");
  let sentence = say("I know {pages} of {places}.", { places });
  if (config.knows.length > names.length) sentence = say("I know {pages} of {places} and others.", { places });
  if (config.knows.length === 1 && config.knows[0].name === "pages") sentence = say("I know {pages}.");
  const [before, after] = sentence.split("{pages}");
  return [before, element("a", { href: "/site/", target: "_blank", rel: "noopener" }, pages), after];
}
banner(config.loading);
composer.fit();
if (matchMedia("(pointer: fine)").matches) $("question").focus();
window.addEventListener("hashchange", openLink);
if (!(await openLink())) become(people().find(({ id }) => id === localStorage.getItem("askpage-person")) ?? config.people[0]);

// The chat page: who speaks, which conversation, what is written. Drawing is in message.js, the server in wire.js.

import { element, icon } from "./element.js";
import { Files } from "./files.js";
import { number, say, sayCount } from "./language.js";
import { MessageView } from "./message.js";
import { config, follow, get, post } from "./wire.js";

const $ = (id) => document.getElementById(id);
const views = new Map();
let person = null;
let conversation = null;
let stop = () => {};
let editing = null;
let typingTimer = 0;
let whole = false;

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
  cancelEdit();
  files.take();
  conversation = id;
  whole = false;
  views.clear();
  $("messages").replaceChildren();
  $("messages").setAttribute("aria-busy", "true");
  $("typing").hidden = true;
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

/** Ask with a dialog; return what was pressed. */
async function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  // The event of an earlier close may come when the dialog is open again.
  await new Promise((done) => (dialog.onclose = () => dialog.open || done()));
  return dialog.returnValue;
}

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
    toast(say("What this link leads to is gone."));
    return false;
  }
  speakAs(people().find(({ id }) => id === found.person.id) ?? found.person);
  wanted = link.get("message") ?? "";
  show(found.id);
  return true;
}

let wanted = "";

/** Bring the answer that a link leads to into view. */
function reveal() {
  const view = views.get(wanted);
  wanted = "";
  if (!view) return;
  pinned = false;
  view.root.setAttribute("tabindex", "-1");
  view.root.classList.add("revealed");
  view.root.scrollIntoView({ block: "center" });
  view.root.focus({ preventScroll: true });
}

$("new").addEventListener("click", async () => {
  await begin();
  $("question").focus();
});

// What the server tells

const events = {
  conversation({ messages }) {
    const kept = new Set(messages.map(({ id }) => id));
    for (const id of [...views.keys()]) if (!kept.has(id)) drop(id);
    for (const shown of messages) put(shown);
    whole = true;
    $("messages").removeAttribute("aria-busy");
    settle();
    toBottom(true);
    if (wanted) reveal();
  },
  message(shown) {
    const before = views.get(shown.id)?.shown;
    put(shown);
    if (shown.sender === "bot") {
      $("typing").hidden = true;
      if (shown.state === "final" && (!before || before.state !== "final" || before.text !== shown.text)) spoken(shown);
    } else if (!before || shown.edited) listConversations();
    settle();
  },
  deleted({ id }) {
    drop(id);
    settle();
    listConversations();
  },
  typing() {
    $("typing").hidden = false;
    clearTimeout(typingTimer);
    typingTimer = setTimeout(() => {
      $("typing").hidden = true;
      settle();
    }, 20000);
    settle();
  },
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

function put(shown) {
  const near = atBottom();
  const view = views.get(shown.id);
  if (view) view.update(shown);
  else {
    const made = new MessageView(shown, act);
    const after = [...views].find(([id]) => Number(id) > Number(shown.id));
    views.set(shown.id, made);
    $("messages").insertBefore(made.root, after ? after[1].root : null);
  }
  if (near || shown.sender === "user") toBottom(true);
}

function drop(id) {
  const view = views.get(id);
  if (!view) return;
  if (view.root.contains(document.activeElement)) $("question").focus();
  view.root.remove();
  views.delete(id);
  if (editing?.id === id) cancelEdit();
}

function spoken(shown) {
  const sources = shown.citations?.length ? " " + sayCount("{count} source.", "{count} sources.", shown.citations.length) : "";
  const words = shown.text || shown.cards?.[0]?.fallbackText || say("A card.");
  announce(`askpage: ${words.replace(/\s*\[\d+\]/g, "")}${sources}`);
}

/** Show what belongs to an empty or a begun conversation. */
function settle() {
  const all = [...views.values()].map(({ shown }) => shown);
  const asked = all.some(({ sender }) => sender === "user");
  const offered = all.some(({ cards }) => cards?.some((card) => card.actions?.length));
  $("empty").hidden = !whole || all.length > 0;
  $("suggestions").hidden = !whole || asked || offered || !config.suggestions.length;
  $("knows").hidden = !whole || asked || !config.knows.length;
  const streams = all.some(({ sender, state }) => sender === "bot" && state !== "final");
  $("stop").hidden = !streams && $("typing").hidden;
  $("send").hidden = !$("stop").hidden;
  toBottom();
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

const act = {
  edit(shown) {
    editing = shown;
    $("editing").hidden = false;
    $("composer").classList.add("is-editing");
    $("question").value = shown.text;
    fit();
    $("question").focus();
  },
  async erase(shown) {
    $("confirm").returnValue = "";
    $("confirm").showModal();
    // The event of an earlier close may come when the dialog is open again.
    await new Promise((done) => ($("confirm").onclose = () => $("confirm").open || done()));
    if ($("confirm").returnValue === "delete") await send({ type: "messageDelete", id: shown.id });
  },
  again: (shown) => send({ type: "message", id: shown.id, text: shown.text }),
  async form(shown, reaction) {
    const value = { data: { actionName: "feedback", actionValue: { reaction } } };
    const answer = await send({ type: "invoke", name: "message/fetchTask", replyToId: shown.id, value });
    return answer?.body?.task?.value?.card?.content;
  },
  async thumb(shown, reaction, said) {
    const value = { actionName: "feedback", actionValue: { reaction, feedback: JSON.stringify(said) } };
    const answer = await send({ type: "invoke", name: "message/submitAction", replyToId: shown.id, value });
    if (answer) announce(say("Thank you, your feedback is kept."));
    return Boolean(answer);
  },
  async react(shown, name, on) {
    const reactions = { [on ? "reactionsAdded" : "reactionsRemoved"]: [{ type: name }] };
    await send({ type: "messageReaction", replyToId: shown.id, ...reactions });
  },
  open(url) {
    const target = new URL(url, location.href);
    if (["http:", "https:"].includes(target.protocol)) window.open(target.href, "_blank", "noopener,noreferrer");
  },
  submit(shown, data) {
    const own = data?.msteams ?? {};
    if (own.type === "imBack") return act.say(String(own.value ?? ""));
    if (own.type === "messageBack") return send({ type: "message", text: String(own.text || own.displayText || ""), value: own.value ?? {}, replyToId: shown.id });
    return send({ type: "message", value: data ?? {}, replyToId: shown.id });
  },
  async execute(shown, { verb, data, id, title }) {
    const action = { type: "Action.Execute", verb, data: data ?? {}, ...(id && { id }), ...(title && { title }) };
    const answer = await send({ type: "invoke", name: "adaptiveCard/action", replyToId: shown.id, value: { action, trigger: "manual" } });
    const { type, value } = answer?.body ?? {};
    if (type === "application/vnd.microsoft.activity.message") toast(String(value));
    else if (type === "application/vnd.microsoft.error") toast(String(value?.message));
  },
  linkTo: (shown) => `${location.origin}/#${new URLSearchParams({ conversation, message: shown.id })}`,
  say: (text) => send({ type: "message", text }),
  grown: () => toBottom(),
  announce,
};

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

const files = new Files(
  { list: $("files"), input: $("file"), button: $("attach"), drop: $("composer").parentElement },
  { conversation: () => conversation, attempt, toast, changed: () => fit() },
);

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("question").value.trim();
  const edited = editing;
  if (!text && (edited || !files.waiting.length)) return;
  $("question").value = "";
  cancelEdit();
  const message = { type: "message", text, ...(files.waiting.length && !edited && { files: files.take() }) };
  const sent = await send(edited ? { type: "messageUpdate", id: edited.id, text } : message);
  const kept = [...views.values()].some(({ shown }) => shown.failed && shown.text === text);
  if (!sent && !kept && !$("question").value) $("question").value = text;
  fit();
});

$("question").addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    $("composer").requestSubmit();
  } else if (event.key === "ArrowUp" && !$("question").value) {
    const mine = [...views.values()].map(({ shown }) => shown).filter(({ sender }) => sender === "user");
    if (mine.length) {
      event.preventDefault();
      act.edit(mine.at(-1));
    }
  } else if (event.key === "Escape" && editing) {
    $("question").value = "";
    cancelEdit();
  }
});

$("question").addEventListener("input", fit);
$("cancel-edit").addEventListener("click", () => {
  $("question").value = "";
  cancelEdit();
  $("question").focus();
});

function cancelEdit() {
  editing = null;
  $("editing").hidden = true;
  $("composer").classList.remove("is-editing");
  fit();
}

function fit() {
  const box = $("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 200)}px`;
  $("send").disabled = !box.value.trim() && !files.waiting.length;
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

let pinned = true;
const atBottom = () => pinned;
function toBottom(anyway = false) {
  if (anyway) pinned = true;
  if (pinned) $("scroll").scrollTop = $("scroll").scrollHeight;
}
$("scroll").addEventListener("scroll", () => {
  const box = $("scroll");
  pinned = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  $("latest").hidden = pinned;
});
$("latest").addEventListener("click", () => {
  toBottom(true);
  $("question").focus();
});
new ResizeObserver(() => toBottom()).observe($("scroll"));

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
fit();
if (matchMedia("(pointer: fine)").matches) $("question").focus();
window.addEventListener("hashchange", openLink);
if (!(await openLink())) become(people().find(({ id }) => id === localStorage.getItem("askpage-person")) ?? config.people[0]);

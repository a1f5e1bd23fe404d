// The widget's panel: a chat in a frame on a site's page. The messages are in thread.js, the server in panel-wire.js.

import { ask, makeActions } from "./actions.js";
import { Composer } from "./composer.js";
import { element, icon } from "./element.js";
import { Thread } from "./thread.js";
import { enter, follow, post } from "./panel-wire.js";
import { config } from "./wire.js";

const $ = (id) => document.getElementById(id);
const OWN_ESCAPE = "dialog[open], .thumb-form:not([hidden]), .reaction-menu:not([hidden])";
const ENDED = ["session_ended", "ticket_used"];
const TOAST_MS = 8000;
let conversation = "";
let stop = null;
let page = { url: "", title: "" };
let toastTimer = 0;

// The page around

const tell = (what) => parent.postMessage({ askpage: what }, config.origin);

window.addEventListener("message", ({ source, origin, data }) => {
  if (source !== parent || origin !== config.origin) return;
  if (data?.askpage === "open") open(data.page);
  else if (data?.askpage === "closed") rest();
});

function open(given) {
  page = { url: String(given?.url ?? ""), title: String(given?.title ?? "") };
  $("page-title").textContent = page.title || "this page";
  $("scope").hidden = !page.url;
  if (conversation && !stop) show(conversation);
  $("question").focus();
}

/** A panel that nobody looks at keeps no connection. */
function rest() {
  stop?.();
  stop = null;
}

// Escape closes what is open in the panel first; whether something was, is looked at before that is closed.
let inside = false;
window.addEventListener("keydown", (event) => (inside = event.key === "Escape" && document.querySelector(OWN_ESCAPE) !== null), true);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !inside) tell("close");
});

// The conversation

function show(id) {
  rest();
  composer.cancel();
  conversation = id;
  thread.clear();
  stop = follow(id, events);
}

/** Begin a session, and go on with the conversation that there is, or begin one; again where that failed before. */
let starting = null;
async function start() {
  if (conversation) return;
  starting ??= (async () => {
    const before = await attempt(enter);
    if (before) show(before);
    else if (before !== undefined) await begin();
  })();
  await starting;
  if (!conversation) starting = null;
}

async function begin() {
  const begun = await attempt(() => post("/widget/conversations", {}));
  if (begun) show(begun.id);
}

const events = {
  conversation: ({ messages }) => thread.replace(messages),
  message: (shown) => thread.take(shown),
  deleted: ({ id }) => thread.remove(id),
  typing: () => thread.type(),
  status: ({ loading }) => banner(loading),
  state: () => {},
  gone: () => begin(),
};

function settle() {
  const asked = thread.lastOwn !== undefined;
  $("empty").hidden = !thread.whole || thread.shown.length > 0;
  $("suggestions").hidden = !thread.whole || asked || !config.suggestions.length;
  $("stop").hidden = !thread.works;
  $("send").hidden = thread.works;
  thread.toBottom();
}

// What the visitor does

const about = () => ($("about").checked && page.url ? { page: page.url } : {});
const send = async (body) => {
  await start();
  return conversation ? attempt(() => post("/widget/activities", { conversation, ...about(), ...body })) : undefined;
};

async function attempt(work) {
  try {
    return await work();
  } catch (failed) {
    if (!failed.code) throw failed;
    if (ENDED.includes(failed.code)) tell("ended");
    toast(failed.message);
    return undefined;
  }
}

const act = makeActions({
  send,
  toast: (words) => toast(words),
  announce: (words) => ($("announce").textContent = words),
  confirm: async () => (await ask($("confirm"))) === "delete",
  edit: (shown) => composer.edit(shown),
  grown: () => thread.toBottom(),
});

const thread = new Thread(
  { list: $("messages"), scroll: $("scroll"), latest: $("latest"), typing: $("typing"), question: $("question"), announce: $("announce") },
  act,
  {
    settled: () => settle(),
    asked: () => {},
    arrived: (id) => thread.showStart(id),
    dropped: (id) => composer.edited?.id === id && composer.cancel(),
  },
);

const composer = new Composer(
  { form: $("composer"), box: $("question"), send: $("send"), editing: $("editing"), cancel: $("cancel-edit") },
  {
    lastOwn: () => thread.lastOwn,
    hasFiles: () => false,
    async submit(text, edited) {
      const sent = await send(edited ? { type: "messageUpdate", id: edited.id, text } : { type: "message", text });
      return sent || thread.shown.some((shown) => shown.failed && shown.text === text);
    },
  },
);

$("stop").addEventListener("click", async () => {
  $("typing").hidden = true;
  await attempt(() => post("/widget/stop", { conversation }));
  settle();
  $("question").focus();
});
$("new").addEventListener("click", async () => {
  await begin();
  $("question").focus();
});
$("end").addEventListener("click", async () => {
  if ((await ask($("ending"))) !== "delete") return;
  if (await attempt(() => post("/widget/end", { conversation }))) await begin();
  $("question").focus();
});
$("privacy").addEventListener("click", () => act.say("my data"));

// The rest of the panel

function toast(words) {
  $("toast").textContent = words;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").hidden = true), TOAST_MS);
}

function banner(words) {
  $("banner").hidden = !words;
  $("banner").dataset.kind = "loading";
  if ($("banner").textContent !== (words ?? "")) $("banner").textContent = words ?? "";
}

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));
$("suggestions").replaceChildren(
  ...config.suggestions.map((text) => element("li", {}, element("button", { type: "button", class: "chip", onclick: () => act.say(text) }, text))),
);
banner(config.loading);
composer.fit();

start();
tell("ready");

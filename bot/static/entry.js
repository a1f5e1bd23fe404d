// How a page that only some people may see talks to the bot: with the pass of a link, or from this machine.

import { element } from "./element.js";
import { language, say } from "./language.js";

const config = JSON.parse(document.querySelector("meta[name=askpage]").content);
const page = location.pathname.split("/")[1];
const KEPT = `askpage-${page}-pass`;

/** Something that a person should read: `message` is a sentence, `status` and `code` tell the kinds apart. */
export class Failed extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function request(path, options = {}) {
  const pass = sessionStorage.getItem(KEPT);
  const headers = { ...(options.body ? { "Content-Type": "application/json" } : {}) };
  if (pass) headers.Authorization = `Bearer ${pass}`;
  else if (config.token) headers["X-Askpage-Token"] = config.token;
  let response;
  try {
    response = await fetch(`/${page}/${path}`, { cache: "no-store", credentials: "omit", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed(say("askpage cannot be reached. Is it still running?"), 0, "unreachable");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status === 401) sessionStorage.removeItem(KEPT);
  throw new Failed(body.error?.message ?? say("That did not work."), response.status, body.error?.code ?? "failed");
}

export const get = (path, options) => request(path, options);
export const post = (path, body) => request(path, { method: "POST", body: JSON.stringify(body) });

/** Name a press, so that the same one twice is one. */
export const nameOfPress = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");

/** Do something that may fail: what failed is said and null returned; `close` hides what this person may not see. */
export async function attempt(work, close) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    tell(error.message);
    if ([401, 403].includes(error.status)) close();
    return null;
  }
}

/** Come in with the link that the address has; the address forgets it at once. */
export async function enter() {
  const link = new URLSearchParams(location.hash.slice(1)).get("link");
  if (!link) return;
  history.replaceState(null, "", location.pathname + location.search);
  sessionStorage.setItem(KEPT, (await request("pass", { method: "POST", body: JSON.stringify({ link }) })).pass);
}

/** Say what is wrong where a page has its place for that, or nothing. */
export function tell(sentence, kind = "problem") {
  const place = document.getElementById("said");
  place.hidden = !sentence;
  place.dataset.kind = kind;
  place.replaceChildren(sentence ? element("span", {}, sentence) : "");
}

const passed = new Intl.RelativeTimeFormat(language, { style: "short" });

/** How long ago something was. */
export function ago(at) {
  const hours = (Date.now() - Date.parse(at)) / 3_600_000;
  if (hours < 1) return say("just now");
  return hours < 48 ? passed.format(-Math.round(hours), "hour") : passed.format(-Math.round(hours / 24), "day");
}

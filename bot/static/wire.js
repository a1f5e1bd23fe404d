// The two ways to the server: what a person does is posted, what changes comes as Server-Sent Events.

import { say } from "./language.js";

export const config = JSON.parse(document.querySelector("meta[name=askpage]").content);
let token = config.token;

/** Something that a person should read: `message` is a sentence, `code` tells the kinds apart. */
export class Failed extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

const HIDDEN_MS = 30_000;
const UNREACHABLE = say("askpage cannot be reached. Is it still running?");

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch {
    throw new Failed(UNREACHABLE, "unreachable");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failed(body.error?.message ?? say("That did not work."), body.error?.code ?? "failed");
  return body;
}

export const get = (path) => request(path, {});

export const post = (path, body) =>
  request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Askpage-Token": token },
    body: JSON.stringify(body),
  });

/** Keep a file for the next question; returns {id, name}. */
export const upload = (conversation, file) =>
  request(`/local/files?${new URLSearchParams({ conversation, name: file.name })}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream", "X-Askpage-Token": token },
    body: file,
  });

/**
 * Follow one conversation. `on` has: conversation(whole), message(shown), deleted({id}), typing({}), status({loading}),
 * state("connected" or "reconnecting"), and gone() when the server does not know the conversation any more.
 * Returns a function that stops.
 */
export function follow(conversation, on) {
  let source = null;
  let last = "";
  let timer = 0;
  let failures = 0;

  const open = () => {
    const query = new URLSearchParams({ conversation, after: last });
    source = new EventSource(`/local/events?${query}`);
    source.onopen = () => {
      failures = 0;
      on.state("connected");
    };
    source.onerror = () => {
      on.state("reconnecting");
      if (source.readyState === EventSource.CLOSED) {
        failures += 1;
        timer = setTimeout(open, Math.min(500 * 2 ** failures, 8000));
      }
    };
    for (const name of ["conversation", "message", "deleted", "typing"]) {
      source.addEventListener(name, (event) => {
        last = event.lastEventId;
        on[name](JSON.parse(event.data));
      });
    }
    source.addEventListener("gone", () => {
      source.close();
      on.gone();
    });
    source.addEventListener("status", (event) => {
      const status = JSON.parse(event.data);
      token = status.token;
      on.status(status);
    });
  };

  // A browser keeps six connections to one address: a tab that nobody looks at gives its own back.
  const rest = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => source.close(), HIDDEN_MS);
    else if (source.readyState === EventSource.CLOSED) open();
  };

  open();
  document.addEventListener("visibilitychange", rest);
  return () => {
    document.removeEventListener("visibilitychange", rest);
    clearTimeout(timer);
    source.close();
  };
}

// The panel's ways to the server. The session goes in a header, so events are read with fetch: an EventSource sends none.

import { Failed, config } from "./wire.js";

const UNREACHABLE = "The assistant cannot be reached. Please try again in a minute.";
const LONGEST_WAIT_MS = 8000;
let session = "";
let visit = ""; // a cookie of the bot has it, too, where the browser keeps one for this site

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch (failed) {
    if (failed.name === "AbortError") throw failed;
    throw new Failed(UNREACHABLE, "unreachable");
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Failed(error?.message ?? "That did not work.", error?.code ?? "failed");
}

async function begin(ticket) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ticket, visit }) };
  const given = await (await request("/widget/session", options)).json();
  ({ session, visit } = given);
  return given.conversation;
}

/** Begin a session; resolves to the visitor's latest conversation, "" for none. */
export const enter = () => begin(visit ? "" : config.ticket);

/** Do something with the session, and once more with a new one where it has ended. */
async function withSession(work) {
  try {
    return await work();
  } catch (failed) {
    if (failed.code !== "session_ended") throw failed;
    await begin("");
    return work();
  }
}

export const post = (path, body) =>
  withSession(async () => {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${session}` };
    return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  });

/**
 * Follow one conversation. `on` has: conversation(whole), message(shown), deleted({id}), typing({}), status({loading}),
 * state("connected" or "reconnecting"), and gone(). Returns a function that stops.
 */
export function follow(conversation, on) {
  const control = new AbortController();
  const seen = { last: "", failures: 0 };

  const listen = async () => {
    const query = new URLSearchParams({ conversation, after: seen.last });
    const headers = { Authorization: `Bearer ${session}` };
    const response = await request(`/widget/events?${query}`, { headers, signal: control.signal });
    on.state("connected");
    seen.failures = 0;
    for await (const event of readEvents(response.body)) {
      if (event.id) seen.last = event.id;
      on[event.name]?.(event.data);
    }
  };

  const run = async () => {
    while (!control.signal.aborted) {
      try {
        await withSession(listen);
      } catch (failed) {
        if (control.signal.aborted) return;
        if (failed.code === "gone") return void on.gone();
      }
      on.state("reconnecting");
      await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** seen.failures, LONGEST_WAIT_MS)));
      seen.failures += 1;
    }
  };

  run();
  return () => control.abort();
}

/** Server-Sent Events as {id, name, data}. */
async function* readEvents(body) {
  let held = "";
  for await (const text of chunks(body.pipeThrough(new TextDecoderStream()))) {
    const parts = (held + text).split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
      if (fields.data) yield { id: fields.id ?? "", name: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.releaseLock();
  }
}

// What a person does with messages, as the activities of it: ratings, presses on cards, edits, deletions.

import { say } from "./language.js";

/**
 * `on`: send(activity) resolves to what came of it, undefined where it failed; toast(words), announce(words), confirm() resolves to
 * whether a question is to be deleted, edit(shown), grown(); linkTo(shown) where an answer has an address.
 */
export function makeActions(on) {
  const { send, toast, announce } = on;
  const act = {
    edit: on.edit,
    linkTo: on.linkTo,
    grown: on.grown,
    announce,
    async erase(shown) {
      if (await on.confirm()) await send({ type: "messageDelete", id: shown.id });
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
      if (answer) announce(say("Thank you, your feedback is saved."));
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
    say: (text) => send({ type: "message", text }),
  };
  return act;
}

/** Ask with a dialog; return what was pressed. */
export async function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  // The event of an earlier close may come when the dialog is open again.
  await new Promise((done) => (dialog.onclose = () => dialog.open || done()));
  return dialog.returnValue;
}

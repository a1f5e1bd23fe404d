// Files for the next question: chosen or dropped, sent to the server at once, named above the question until it is asked.

import { element, icon } from "./element.js";
import { number, say } from "./language.js";
import { config, upload } from "./wire.js";

/** `parts`: list, input, button, drop (where files may be dropped). `on`: conversation(), attempt(work), toast(words), changed(). */
export class Files {
  constructor(parts, on) {
    this.parts = parts;
    this.on = on;
    this.waiting = [];
    parts.button.hidden = !config.file_bytes;
    parts.button.prepend(icon("clip"));
    parts.button.addEventListener("click", () => parts.input.click());
    parts.input.addEventListener("change", async () => {
      await this.add([...parts.input.files]);
      parts.input.value = "";
    });
    if (config.file_bytes) this.takeDrops(parts.drop);
  }

  takeDrops(place) {
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    for (const name of ["dragenter", "dragover"])
      place.addEventListener(name, (event) => {
        if (!carries(event)) return;
        event.preventDefault();
        place.classList.add("is-dropping");
      });
    place.addEventListener("dragleave", (event) => place.contains(event.relatedTarget) || place.classList.remove("is-dropping"));
    place.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      place.classList.remove("is-dropping");
      this.add([...event.dataTransfer.files]);
    });
  }

  async add(files) {
    for (const file of files) {
      const conversation = this.on.conversation();
      if (file.size > config.file_bytes) {
        this.on.toast(say("{name} is too large: at most {most} MB.", { name: file.name, most: number(config.file_bytes / 1e6) }));
        continue;
      }
      const kept = await this.on.attempt(() => upload(conversation, file));
      if (kept && conversation === this.on.conversation()) this.waiting.push(kept);
    }
    this.draw();
  }

  /** Return the files that go with a message; none wait any more. */
  take() {
    const taken = this.waiting;
    this.waiting = [];
    this.draw();
    return taken;
  }

  draw() {
    const drop = (file) => () => {
      this.waiting = this.waiting.filter((one) => one !== file);
      this.draw();
      this.parts.button.focus();
    };
    this.parts.list.hidden = !this.waiting.length;
    this.parts.list.replaceChildren(
      ...this.waiting.map((file) =>
        element("li", {}, file.name, element("button", { type: "button", "aria-label": say("Leave out {name}", { name: file.name }), onclick: drop(file) }, "×")),
      ),
    );
    this.on.changed();
  }
}

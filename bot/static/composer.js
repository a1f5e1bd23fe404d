// The box in which a question is written, and one's own question edited.

const TALLEST_PX = 200;

/**
 * `parts`: form, box, send, editing, cancel. `on`: submit(text, edited message or null) resolves to whether it is not to be kept
 * in the box; lastOwn() is what the person asked last; hasFiles() where something can be sent without words.
 */
export class Composer {
  constructor(parts, on) {
    this.parts = parts;
    this.on = on;
    this.edited = null;
    parts.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    parts.box.addEventListener("keydown", (event) => this.press(event));
    parts.box.addEventListener("input", () => this.fit());
    parts.cancel.addEventListener("click", () => {
      parts.box.value = "";
      this.cancel();
      parts.box.focus();
    });
  }

  async submit() {
    const text = this.parts.box.value.trim();
    const edited = this.edited;
    if (!text && (edited || !this.on.hasFiles())) return;
    this.parts.box.value = "";
    this.cancel();
    const done = await this.on.submit(text, edited);
    if (!done && !this.parts.box.value) this.parts.box.value = text;
    this.fit();
  }

  press(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.parts.form.requestSubmit();
    } else if (event.key === "ArrowUp" && !this.parts.box.value) {
      const last = this.on.lastOwn();
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    } else if (event.key === "Escape" && this.edited) {
      this.parts.box.value = "";
      this.cancel();
      event.stopPropagation(); // it closes nothing else
    }
  }

  edit(shown) {
    this.edited = shown;
    this.parts.editing.hidden = false;
    this.parts.form.classList.add("is-editing");
    this.parts.box.value = shown.text;
    this.fit();
    this.parts.box.focus();
  }

  cancel() {
    this.edited = null;
    this.parts.editing.hidden = true;
    this.parts.form.classList.remove("is-editing");
    this.fit();
  }

  fit() {
    const box = this.parts.box;
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, TALLEST_PX)}px`;
    this.parts.send.disabled = !box.value.trim() && !this.on.hasFiles();
  }
}

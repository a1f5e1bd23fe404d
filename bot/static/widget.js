// The widget: a button on a site's page that opens the assistant in a panel, a frame of the bot's own origin.
//
//   <script src="https://bot.example/widget.js" async></script>
//
// On the tag may stand: data-label (the button's words), data-side="left", data-theme="light" or "dark". Nothing is stored on the
// site, nothing is asked of anybody but the bot, and until the button is pressed nothing at all.

(() => {
  const script = document.currentScript;
  const ONCE = Symbol.for("askpage widget");
  if (!script?.src || window[ONCE]) return;
  window[ONCE] = true;

  const bot = new URL(script.src).origin;
  const label = script.dataset.label || "Ask about this page";
  const theme = ["light", "dark"].includes(script.dataset.theme) ? script.dataset.theme : "";
  const LATE_MS = 10_000;
  const LATE = "The assistant cannot be reached just now. Please try again later.";

  // A style sheet made by script is no inline style: the site's rules for styles do not stand in its way.
  const STYLE = `
    :host { all: initial; color-scheme: light dark; }
    :host([data-theme="light"]) { color-scheme: light; }
    :host([data-theme="dark"]) { color-scheme: dark; }
    [hidden] { display: none !important; }
    button { font: 600 15px/1.2 system-ui, "Segoe UI", sans-serif; cursor: pointer; border: 0; }
    button:focus-visible { outline: 3px solid light-dark(#0e6b57, #63cfb2); outline-offset: 3px; }
    .open {
      position: fixed; bottom: 20px; right: 20px; z-index: 2147483000; display: flex; align-items: center; gap: 9px; min-height: 48px;
      max-width: calc(100vw - 40px); padding: 10px 18px 10px 15px; border-radius: 99px; background: light-dark(#0e6b57, #63cfb2);
      color: light-dark(#ffffff, #06231b); box-shadow: 0 2px 6px rgb(0 0 0 / 22%), 0 8px 24px rgb(0 0 0 / 18%);
    }
    .open:hover { background: light-dark(#0a5243, #8be0c8); }
    svg { width: 22px; height: 22px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; }
    dialog {
      position: fixed; inset: auto 20px 20px auto; box-sizing: border-box; width: min(430px, calc(100vw - 40px)); height: min(720px, calc(100dvh - 40px));
      max-width: none; max-height: none; margin: 0; padding: 0; overflow: hidden; border: 1px solid light-dark(#c9c3b6, #454c53); border-radius: 16px;
      background: light-dark(#faf8f4, #14171a); color: light-dark(#1d2321, #eceae5); box-shadow: 0 4px 12px rgb(0 0 0 / 16%), 0 18px 60px rgb(0 0 0 / 30%);
      font: 400 15px/1.5 system-ui, "Segoe UI", sans-serif;
    }
    dialog[open] { display: flex; flex-direction: column; animation: rise 0.18s ease-out; }
    dialog::backdrop { background: none; }
    :host([data-side="left"]) .open { right: auto; left: 20px; }
    :host([data-side="left"]) dialog { inset: auto auto 20px 20px; }
    header { display: flex; align-items: center; gap: 10px; padding: 8px 8px 8px 18px; border-bottom: 1px solid light-dark(#e0dbd0, #343a40); }
    h2 { flex: 1; min-width: 0; margin: 0; overflow: hidden; font: inherit; font-weight: 650; text-overflow: ellipsis; white-space: nowrap; }
    .close { display: grid; place-items: center; width: 40px; height: 40px; padding: 0; border-radius: 10px; background: none; color: inherit; }
    .close:hover { background: light-dark(#f1eee7, #252a2f); }
    .close:focus-visible { outline-offset: -3px; }
    iframe { flex: 1; min-height: 0; width: 100%; border: 0; background: transparent; }
    p { margin: 0; padding: 24px 18px; }
    @keyframes rise { from { opacity: 0; translate: 0 10px; } }
    @media (max-width: 520px), (max-height: 480px) {
      dialog, :host([data-side="left"]) dialog { inset: 0; width: 100%; height: 100dvh; border: 0; border-radius: 0; }
    }
    @media (prefers-reduced-motion: reduce) { dialog[open] { animation: none; } }
    @media (forced-colors: active) { .open, dialog { border: 1px solid; } }
    @media print { :host { display: none; } }
  `;

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const draw = (path) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" })) svg.setAttribute(name, value);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  };

  const button = make("button", { type: "button", class: "open", "aria-haspopup": "dialog", "aria-expanded": "false" }, draw("M4 5.500h16v11h-8.500L7 20.500v-4H4zM8.500 9.500h7M8.500 12.500h4.500"), make("span", {}, label));
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, draw("M6 6l12 12M18 6L6 18"));
  const late = make("p", { role: "status", hidden: "" });
  const dialog = make("dialog", { "aria-labelledby": "askpage-title", "aria-modal": "true" }, make("header", {}, make("h2", { id: "askpage-title" }, label), close), late);
  let frame = null;
  let isReady = false;
  let hasEnded = false;

  /** The page that one reads: its canonical address, where that is on this site, and its title. */
  function readPage() {
    const page = new URL(location.href);
    const link = document.querySelector('link[rel~="canonical"][href]');
    const canonical = link && URL.canParse(link.href) ? new URL(link.href) : page;
    const url = canonical.origin === page.origin ? canonical : page;
    url.hash = "";
    return { url: url.href, title: document.title.trim().slice(0, 200) };
  }

  const tell = (what) => isReady && frame.contentWindow.postMessage(what, bot);

  function load() {
    const query = new URLSearchParams({ origin: location.origin, ...(theme && { theme }) });
    frame = make("iframe", {
      src: `${bot}/widget/panel?${query}`,
      title: label,
      allow: "clipboard-write",
      referrerpolicy: "no-referrer",
      sandbox: "allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads",
    });
    dialog.append(frame);
    setTimeout(() => {
      if (isReady) return;
      late.textContent = LATE;
      late.hidden = false;
    }, LATE_MS);
  }

  /** Forget the panel, which is loaded anew when it is opened again. */
  function drop() {
    frame.remove();
    frame = null;
    isReady = hasEnded = false;
  }

  function open() {
    dialog.showModal();
    button.setAttribute("aria-expanded", "true");
    if (!frame) load();
    frame.focus();
    tell({ askpage: "open", page: readPage() });
  }

  button.addEventListener("click", open);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    button.setAttribute("aria-expanded", "false");
    tell({ askpage: "closed" });
    if (hasEnded) drop();
    button.focus();
  });
  window.addEventListener("message", ({ source, origin, data }) => {
    if (!frame || source !== frame.contentWindow || origin !== bot) return;
    if (data?.askpage === "close") dialog.close();
    if (data?.askpage === "ended") hasEnded = true;
    if (data?.askpage === "ready") {
      isReady = true;
      late.hidden = true;
      if (dialog.open) tell({ askpage: "open", page: readPage() });
    }
  });

  const host = make("askpage-widget", { ...(theme && { "data-theme": theme }), ...(script.dataset.side === "left" && { "data-side": "left" }) });
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  shadow.adoptedStyleSheets = [sheet];
  shadow.append(button, dialog);
  const attach = () => document.body.append(host);
  if (document.body) attach();
  else document.addEventListener("DOMContentLoaded", attach, { once: true });
})();

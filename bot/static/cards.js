// Adaptive Cards, drawn by Microsoft's renderer in this page's colours. Markdown is not processed: text stays text.

import { element } from "./element.js";
import { locale, say } from "./language.js";

// The colours are the page's custom properties, so a card follows the theme without being drawn again.
const shade = (name, subtle = "ink-soft") => ({ default: `var(--${name})`, subtle: `var(--${subtle})` });
const foreground = {
  default: shade("ink"),
  dark: shade("ink"),
  light: shade("ink-soft"),
  accent: shade("accent", "accent"),
  good: shade("good", "good"),
  warning: shade("warning", "warning"),
  attention: shade("danger", "danger"),
};
const container = (background, border) => ({
  backgroundColor: background,
  borderColor: border,
  foregroundColors: foreground,
});

const HOST = {
  supportsInteractivity: true,
  fontFamily: "inherit",
  fontSizes: { small: 13, default: 15, medium: 17, large: 20, extraLarge: 24 },
  fontWeights: { lighter: 400, default: 400, bolder: 650 },
  lineHeights: { small: 19, default: 23, medium: 25, large: 28, extraLarge: 32 },
  spacing: { small: 8, default: 10, medium: 16, large: 22, extraLarge: 30, padding: 16 },
  separator: { lineThickness: 1, lineColor: "var(--line)" },
  containerStyles: {
    default: container("transparent", "var(--line)"),
    emphasis: container("var(--raised)", "var(--line)"),
    accent: container("var(--accent-soft)", "var(--accent)"),
    good: container("var(--accent-soft)", "var(--good)"),
    warning: container("var(--mark-soft)", "var(--warning)"),
    attention: container("var(--danger-soft)", "var(--danger)"),
  },
  actions: {
    maxActions: 6,
    spacing: "default",
    buttonSpacing: 8,
    showCard: { actionMode: "inline", inlineTopMargin: 12 },
    actionsOrientation: "horizontal",
    actionAlignment: "left",
  },
  inputs: { label: { inputSpacing: 4, requiredInputs: { weight: "bolder" }, optionalInputs: { weight: "bolder" } } },
  factSet: { title: { weight: "bolder", wrap: true, maxWidth: 160 }, value: { wrap: true }, spacing: 12 },
};

/**
 * Draw a card. `act` has open(url), submit(data), execute({verb, data, id, title}).
 */
export function cardElement(card, act) {
  const library = window.AdaptiveCards;
  if (!library) {
    const words = card.fallbackText ? [element("p", {}, card.fallbackText)] : [];
    return element("div", { class: "card card-missing" }, ...words, say("This card is not shown: its renderer is not installed."));
  }
  library.AdaptiveCard.onProcessMarkdown = (_, result) => {
    result.didProcess = false;
  };
  const adaptive = new library.AdaptiveCard();
  adaptive.hostConfig = new library.HostConfig(HOST);
  adaptive.onExecuteAction = (action) => {
    if (action instanceof library.OpenUrlAction) act.open(action.url);
    else if (action instanceof library.ExecuteAction)
      act.execute({ verb: action.verb, data: action.data, id: action.id, title: action.title });
    else if (action instanceof library.SubmitAction) act.submit(action.data);
  };
  adaptive.parse({ ...card, lang: locale }); // dates in the page's language, not in the browser's
  const drawn = adaptive.render();
  return drawn ? element("div", { class: "card" }, drawn) : element("div", { class: "card" }, card.fallbackText ?? "");
}

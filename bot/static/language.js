// The page's words in the reader's language. English texts are the keys; a text without translation is said in English.

const known = JSON.parse(document.querySelector("meta[name=askpage]")?.content ?? "{}").texts ?? {};

/** Such as "de": for dates, numbers and plural forms, too. */
export const language = document.documentElement.lang || "en";
/** For dates and numbers: British ones in English, as the docs write them. */
export const locale = language === "en" ? "en-GB" : language;
const plurals = new Intl.PluralRules(language);

const fillIn = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));

/** A number as the reader writes it. */
export const number = (value) => value.toLocaleString(locale);

/** say("{name} is too large.", {name: "x.pdf"}) */
export const say = (text, values = {}) => fillIn(known[text] ?? text, values);

/** sayCount("{count} page", "{count} pages", 3) */
export function sayCount(one, several, count, values = {}) {
  const forms = known[one] ?? [one, several];
  const form = plurals.select(count) === "one" ? forms[0] : forms.at(-1);
  return fillIn(form, { count: number(count), ...values });
}

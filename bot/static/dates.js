// Dates and times, in this browser's zone and the page's language.

import { locale } from "./language.js";

export const when = (at) => new Date(at).toLocaleString(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const day = (at) => new Date(at).toLocaleDateString(locale, { day: "numeric", month: "short", year: "numeric" });

/** A text of the server with its dates, marked as bot/cards/dates.py marks them, in this browser's zone. */
export const withDates = (text) => text.replace(/\ufdd0([dt])(\d{1,10})\ufdd1/g, (_, kind, second) => (kind === "t" ? when : day)(second * 1000)).replace(/\ufdd0.*$/, "…");

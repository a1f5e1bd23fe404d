// Figures as files: what a plot or a table shows, as CSV for a spreadsheet and as JSON for a program.

import { element } from "./element.js";

/** Rows as CSV (RFC 4180). What begins like a formula is kept from being one: people wrote some of these texts. */
export function toCsv(rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Two buttons that save what `read` returns when they are pressed: {heads, rows} with plain values. */
export function exportButtons(name, label, read) {
  const toJson = () => {
    const { heads, rows } = read();
    return `${JSON.stringify(rows.map((row) => Object.fromEntries(heads.map((head, at) => [head, row[at] ?? null]))), null, 1)}\n`;
  };
  const asCsv = () => {
    const { heads, rows } = read();
    return toCsv([heads, ...rows]);
  };
  return element("p", { class: "export" }, button(label, "CSV", () => save(`askpage-${name}.csv`, "text/csv", asCsv())), button(label, "JSON", () => save(`askpage-${name}.json`, "application/json", toJson())));
}

const button = (label, kind, onclick) => element("button", { type: "button", onclick, "data-export": kind.toLowerCase() }, kind, element("span", { class: "unseen" }, ` of ${label}`));

export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// Elements from plain values: text becomes text nodes, never HTML. Nothing on this page parses a string as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** element("button", {class: "x", onclick: f, hidden: false}, "text", child, null) */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const LINES = {
  thumbUp: "M7.500 11v9H4v-9zm0 0 3.700-7.200c1.500 0 2.600 1 2.600 2.500V10h5a2 2 0 0 1 2 2.300l-1 6a2 2 0 0 1-2 1.700H7.500",
  thumbDown: "M16.500 13V4H20v9zm0 0-3.700 7.200c-1.500 0-2.600-1-2.600-2.500V14h-5a2 2 0 0 1-2-2.300l1-6a2 2 0 0 1 2-1.700h10.300",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  smile: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM8.300 14.200c.9 1.500 2.200 2.300 3.700 2.300s2.800-.8 3.700-2.300M9 9.200v.8M15 9.200v.8",
  pencil: "M4.500 19.500l.9-4L15.800 5.100l3.100 3.100L8.500 18.600zM13.500 7.400l3.100 3.100",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7M10.500 10.500v6M13.500 10.500v6",
  send: "M12 19V5.500M5.500 11.500 12 5l6.500 6.500",
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  down: "M12 5v13.500M5.500 12.500 12 19l6.500-6.500",
  again: "M5 12a7 7 0 1 0 2.200-5.100M5 4.500v4.300h4.300",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1",
  stop: "M7 7h10v10H7z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  clip: "M20 11.500l-8.200 8.200a5 5 0 0 1-7.100-7.100l8.600-8.600a3.300 3.300 0 0 1 4.700 4.700l-8.500 8.500a1.700 1.700 0 0 1-2.400-2.400l7.600-7.600",
  spark: "M12 3.500l2 6.500 6.500 2-6.500 2-2 6.500-2-6.500L3.500 12l6.500-2z",
};

/** A line icon in the colour of the text around it. */
export function icon(name) {
  const drawn = svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" });
  drawn.append(svg("path", { d: LINES[name] }));
  return drawn;
}

const FACE = { fill: "#f6c344", d: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20z" };
const ink = (d) => ({ d, stroke: "#4a3200", "stroke-width": "1.800", "stroke-linecap": "round", fill: "none" });
const FACES = {
  like: [
    { fill: "#f6c344", d: "M8 11l3.400-8c1.900 0 3 1.200 3 3v3.500h4.800a2.300 2.300 0 0 1 2.300 2.700l-1.200 7a2.300 2.300 0 0 1-2.300 1.900H8z" },
    { fill: "#2f6fd0", d: "M2.500 11H6.500v10H2.500z" },
  ],
  heart: [{ fill: "#d93a4e", d: "M12 21C5 16.200 2 12.600 2 8.700A5.300 5.300 0 0 1 12 6.200a5.300 5.300 0 0 1 10 2.500C22 12.600 19 16.200 12 21z" }],
  laugh: [FACE, ink("M7 9.500l2-1.200M17 9.500l-2-1.200"), { fill: "#4a3200", d: "M6.800 12.500h10.400a5.200 5.200 0 0 1-10.400 0z" }],
  surprised: [FACE, ink("M8.500 8.500v1.200M15.500 8.500v1.200"), { fill: "#4a3200", d: "M12 12.500a2.400 3 0 1 0 0 6 2.400 3 0 0 0 0-6z" }],
  sad: [FACE, ink("M8.500 9v1.200M15.500 9v1.200M8 17c.9-1.700 2.300-2.500 4-2.500s3.100.8 4 2.500")],
  angry: [
    { fill: "#ef7a4a", d: FACE.d },
    ink("M7 8.200l3 1.500M17 8.200l-3 1.500M8.500 11v.6M15.500 11v.6M8 17c.9-1.500 2.300-2.200 4-2.200s3.100.7 4 2.200"),
  ],
};

/** The picture of a reaction, drawn here so that it looks the same on every system. */
export function face(name) {
  const drawn = svg("svg", { viewBox: "0 0 24 24", class: "face", "aria-hidden": "true", focusable: "false" });
  drawn.append(...FACES[name].map((attributes) => svg("path", attributes)));
  return drawn;
}

/** svg("circle", {r: 2}, child) */
export function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

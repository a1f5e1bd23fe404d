// Checks Dockerfiles with the linter of the Docker language server.
//
// Run as: node tests/docker_check.cjs < files.json     ({name: text}; prints {name: [{line, message}]})
"use strict";

const { validate } = require("../node_modules/dockerfile-utils");

const files = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const checked = Object.fromEntries(
  Object.entries(files).map(([name, text]) => [
    name,
    validate(text).map((one) => ({ line: one.range.start.line + 1, message: one.message })),
  ]),
);
process.stdout.write(JSON.stringify(checked));

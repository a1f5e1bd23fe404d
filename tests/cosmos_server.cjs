// Loaded before the Cosmos protocol server. Its query engine copies the list of what it has found for every item that
// it looks at, so the time of a query grows with the square of the items: a minute for a hundred thousand of them. Here
// it appends instead; what it finds is the same.
const executor = require("@zeit/cosmosdb-query/lib/executor");

const run = executor.default;
const copied = /\[\.\.\.\$, (\{[^{}]*\})\]/g;

executor.default = (collection, options) =>
  run(collection, { ...options, code: options.code.replace(copied, "($.push($1), $)") });

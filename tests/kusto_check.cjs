// Checks KQL with Microsoft's own parser, against the schema of Application Insights, or of a database of one's own.
//
// Run as: node tests/kusto_check.cjs [TABLES] < queries.json     ({name: text}; prints {name: [{line, column, message}]})
//
// TABLES is JSON: {name: "column: type, …"}.
"use strict";

const folder = __dirname + "/../node_modules/@kusto/language-service-next/";
require(folder + "bridge.min.js");
require(folder + "Kusto.Language.Bridge.min.js");

const { Symbols, GlobalState, KustoCode } = Kusto.Language;

// https://learn.microsoft.com/azure/azure-monitor/reference/tables-index (the names that the resource's own logs have)
const COMMON =
  "timestamp: datetime, itemType: string, customDimensions: dynamic, customMeasurements: dynamic, " +
  "operation_Name: string, operation_Id: string, operation_ParentId: string, operation_SyntheticSource: string, " +
  "session_Id: string, user_Id: string, user_AuthenticatedId: string, user_AccountId: string, " +
  "application_Version: string, client_Type: string, client_Model: string, client_OS: string, client_IP: string, " +
  "client_City: string, client_StateOrProvince: string, client_CountryOrRegion: string, client_Browser: string, " +
  "cloud_RoleName: string, cloud_RoleInstance: string, appId: string, appName: string, iKey: string, " +
  "sdkVersion: string, itemId: string, itemCount: int, _ResourceId: string";
const INSIGHTS = {
  customEvents: "name: string, " + COMMON,
  requests:
    "id: string, source: string, name: string, url: string, success: string, resultCode: string, duration: real, " +
    "performanceBucket: string, " + COMMON,
};

const TABLES = process.argv[2] ? JSON.parse(process.argv[2]) : INSIGHTS;
const tables = Object.entries(TABLES).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, `(${columns})`, null));
const database = new Symbols.DatabaseSymbol.$ctor1("insights", tables);
const globals = GlobalState.Default.WithDatabase(database);

function problems(text) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const found = code.GetDiagnostics();
  const list = [];
  for (let index = 0; index < found.Count; index += 1) {
    const one = found.getItem(index);
    if (one.Severity === "Suggestion") continue;
    const before = text.slice(0, one.Start).split("\n");
    list.push({ line: before.length, column: before.at(-1).length + 1, severity: one.Severity, message: one.Message });
  }
  return list;
}

const queries = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const checked = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, problems(text)]));
process.stdout.write(JSON.stringify(checked));

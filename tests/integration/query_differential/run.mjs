// usage: node run.mjs RUNNER [SEED] [QUERIES]
// Generated queries through the vault's engine (RUNNER, over small and large units alike) and through
// DuckDB over the same rows. Answers must be equal; doubles within 1e-9 relative.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator } from "./generate.mjs";

const [runner, seedText = "7", countText = "2400"] = process.argv.slice(2);
const require = createRequire(new URL("../../package.json", import.meta.url));
let duckdb;
try {
  duckdb = await import(require.resolve("@duckdb/node-api"));
} catch {
  console.log("skipped: @duckdb/node-api is not installed; run `npm install --no-save` in tests/");
  process.exit(77);
}

const directory = mkdtempSync(join(tmpdir(), "query-differential-"));
const csv = join(directory, "events.csv");
const generator = new Generator(Number(seedText));
const queries = Array.from({ length: Number(countText) }, () => generator.query());

function ask(rowsPerUnit) {
  const input = queries.map((q) => q.ours + "\n").join("");
  const result = spawnSync(runner, [seedText, csv, String(rowsPerUnit)], { input, maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`runner: ${result.stderr}`);
  return result.stdout.toString().trimEnd().split("\n").map((line) => JSON.parse(line));
}

const layouts = { "units of 1 to 2,521 rows": ask(0), "units of 65,536 rows": ask(65536) };

const instance = await duckdb.DuckDBInstance.create(":memory:");
const db = await instance.connect();
await db.run("SET TimeZone = 'UTC'");
// Its rewriting of comparisons with date_trunc() loses NULLs.
await db.run("PRAGMA disable_optimizer");
await db.run(`CREATE TABLE events AS SELECT make_timestamp(event_time) AS event_time, subject, command, version,
  count_of, seconds, ok, make_timestamp(seen_at) AS seen_at, took FROM read_csv('${csv}', header = true, nullstr = '',
  allow_quoted_nulls = false, columns = {event_time: 'BIGINT', subject: 'VARCHAR', command: 'VARCHAR',
  version: 'VARCHAR', count_of: 'BIGINT', seconds: 'DOUBLE', ok: 'BOOLEAN', seen_at: 'BIGINT', took: 'BIGINT'})`);

function sameValue(a, b, kind) {
  if (a === null || b === null) return a === b;
  if (kind !== "dbl") return String(a) === String(b);
  return a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}
// Doubles last and shortened, so that rows that differ in the last digits still meet.
const canonical = (row, kinds) =>
  JSON.stringify(row.map((v, c) => (kinds[c] === "dbl" && v !== null ? Number(v).toPrecision(7) : v)));

function difference(ours, theirs, query) {
  if (ours.length !== theirs.length) return `${ours.length} rows, expected ${theirs.length}`;
  if (!query.ordered) {
    const sort = (rows) => rows.map((r) => [canonical(r, query.kinds), r]).sort((x, y) => (x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : 0)).map((p) => p[1]);
    ours = sort(ours);
    theirs = sort(theirs);
  }
  for (let r = 0; r < ours.length; ++r) {
    for (let c = 0; c < query.kinds.length; ++c) {
      if (!sameValue(ours[r][c], theirs[r][c], query.kinds[c])) {
        return `row ${r}, column ${c}: ${ours[r][c]}, expected ${theirs[r][c]}`;
      }
    }
  }
  return null;
}

let failures = 0;
let full = 0;
let bothRefused = 0;
const uses = new Map();
for (let i = 0; i < queries.length; ++i) {
  const query = queries[i];
  let theirs = null;
  let refusal = "";
  try {
    theirs = (await db.runAndReadAll(query.duck)).getRowsJson();
  } catch (error) {
    refusal = String(error.message).split("\n")[0];
  }
  let wrong = null;
  for (const [layout, answers] of Object.entries(layouts)) {
    const ours = answers[i];
    if (theirs === null && ours.error) continue;
    if (theirs === null) wrong = `answered, but the reference says: ${refusal}`;
    else if (ours.error) wrong = `refused: ${ours.error}`;
    else {
      const found = difference(ours.rows, theirs, query);
      if (found) wrong = `${layout}: ${found}`;
    }
  }
  if (wrong) {
    if (++failures <= 10) console.log(`#${i} ${wrong}\n  ours ${query.ours}\n  duck ${query.duck}`);
    continue;
  }
  if (theirs === null) {
    ++bothRefused;
    continue;
  }
  if (theirs.length > 0 && theirs.some((row) => row.some((v) => v !== null))) {
    ++full;
    for (const name of query.used) uses.set(name, (uses.get(name) ?? 0) + 1);
  }
}
rmSync(directory, { recursive: true });

const names = [...uses.keys()].sort();
for (const name of names) console.log(`${name.padEnd(20)} ${uses.get(name)}`);
const rare = names.filter((name) => uses.get(name) < 20);
const share = full / queries.length;
console.log(`${queries.length} queries, ${failures} differ, ${(share * 100).toFixed(1)} % with a non-empty answer, ` +
  `${bothRefused} refused by both; fewer than 20 uses: ${rare.join(", ") || "none"}`);
process.exit(failures === 0 && share >= 0.8 && rare.length === 0 ? 0 : 1);

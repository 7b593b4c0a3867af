// usage: node run.mjs RUNNER [SEED] [QUERIES]
// Generated queries through the vault (RUNNER: ingest, store, merge, query; see query_runner.cc) and
// through DuckDB over the same rows. Answers must be equal; doubles within 1e-9 relative. What a run
// has to show besides stands in requirements().
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { FEATURES, Generator } from "./generate.mjs";

const [runner, seed = "7", count = process.env.TELEVAULT_DIFFERENTIAL_QUERIES ?? "3000"] = process.argv.slice(2);
const require = createRequire(new URL("../../package.json", import.meta.url));
let duckdb;
try {
  duckdb = await import(require.resolve("@duckdb/node-api"));
} catch {
  console.log("skipped: @duckdb/node-api is not installed; run `npm install --no-save` in tests/");
  process.exit(77);
}

async function openDuckDB(csv) {
  const instance = await duckdb.DuckDBInstance.create(":memory:");
  const db = await instance.connect();
  await db.run("SET TimeZone = 'UTC'");
  // Its rewriting of comparisons with date_trunc() loses NULLs.
  await db.run("PRAGMA disable_optimizer");
  await db.run(`CREATE TABLE events AS SELECT make_timestamp(event_time) AS event_time, subject, command, version,
    count_of, seconds, ok, make_timestamp(seen_at) AS seen_at, took FROM read_csv('${csv}', header = true, nullstr = '',
    allow_quoted_nulls = false, columns = {event_time: 'BIGINT', subject: 'VARCHAR', command: 'VARCHAR',
    version: 'VARCHAR', count_of: 'BIGINT', seconds: 'DOUBLE', seen_at: 'BIGINT', took: 'BIGINT', ok: 'BOOLEAN'})`);
  return db;
}

function makeQueries(csv) {
  const lines = readFileSync(csv, "utf8").split("\n").slice(1);
  const subjects = [...new Set(lines.map((line) => line.split(",")[1]).filter(Boolean))].sort();
  const generator = new Generator(Number(seed), subjects);
  const queries = new Map();
  while (queries.size < Number(count)) {
    const query = generator.query();
    queries.set(query.ours, query);
  }
  return [...queries.values()];
}

function sameValue(a, b, kind) {
  if (a === null || b === null) return a === b;
  // A continuous percentile of whole microseconds may lie in the middle between two.
  if (kind === "itv ± 1") return Math.abs(a - b) <= 1;
  if (kind !== "dbl") return String(a) === String(b);
  // A percentile between -1 and 19 that is 0 may be the last bit of one beside it.
  return a === b || Math.abs(a - b) <= Math.max(1e-12, 1e-9 * Math.max(Math.abs(a), Math.abs(b)));
}

// By everything exact first, so that rows whose doubles differ in the last digits still meet.
function sorted(rows, kinds) {
  const exact = kinds.flatMap((kind, c) => (kind === "dbl" ? [] : [c]));
  const doubles = kinds.flatMap((kind, c) => (kind === "dbl" ? [c] : []));
  const keyed = rows.map((row) => [JSON.stringify(exact.map((c) => row[c])), row]);
  keyed.sort(([key, row], [other, against]) => {
    if (key !== other) return key < other ? -1 : 1;
    const c = doubles.find((d) => row[d] !== against[d]);
    return c === undefined ? 0 : (row[c] ?? -Infinity) - (against[c] ?? -Infinity);
  });
  return keyed.map(([, row]) => row);
}

function difference(ours, theirs, query) {
  if (ours.length !== theirs.length) return `${ours.length} rows, expected ${theirs.length}`;
  if (!query.ordered) {
    ours = sorted(ours, query.kinds);
    theirs = sorted(theirs, query.kinds);
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

// What is wrong with our answer to a query, or null; `counts` takes note of what it shows.
async function check(db, query, ours, counts) {
  let theirs = null;
  let refusal = "";
  try {
    theirs = (await db.runAndReadAll(query.duck)).getRowsJson();
  } catch (error) {
    refusal = String(error.message).split("\n")[0];
  }
  if (ours.wrong) return `the datasets differ: ${ours.wrong}`;
  if (theirs === null && ours.error) {
    ++counts.refused;
    return null;
  }
  if (theirs === null) return `answered, but the reference says: ${refusal}`;
  if (ours.error) return `refused: ${ours.error}`;
  const found = difference(ours.rows, theirs, query);
  if (found) return found;
  if (theirs.some((row) => row.some((v) => v !== null))) {
    ++counts.full;
    for (const name of query.used) counts.uses.set(name, (counts.uses.get(name) ?? 0) + 1);
  }
  return null;
}

// [what, whether it holds]
function requirements(stored, skipped, queries, counts) {
  const [hot, merged, mixed, forced] = stored;
  const rare = FEATURES.filter((name) => (counts.uses.get(name) ?? 0) < 20);
  const all = [
    ["every answer is equal", counts.failures === 0],
    [`${count} distinct queries`, new Set(queries.map((q) => q.ours)).size >= Number(count)],
    ["at least 80 % with a non-empty answer", counts.full >= 0.8 * queries.length],
    [`each operator and function 20 times: ${rare.join(", ") || "yes"}`, rare.length === 0],
    ["every dataset has the same rows", stored.every(({ rows }) => rows === hot.rows)],
    ["events_hot is micro-batches alone", hot.micro_batches > 100 && hot.blocks === 0],
    ["events_merged is blocks alone, several a day", merged.micro_batches === 0 && merged.blocks > merged.merged_days],
    ["events_forced is blocks alone, in whichever encoding", forced.micro_batches === 0 && forced.blocks === merged.blocks],
    ["events_mixed has days of all three kinds", mixed.hot_days > 0 && mixed.merged_days > 0 && mixed.mixed_days > 0],
  ];
  for (const { dataset, ...by } of skipped) {
    all.push([`${dataset} skips days and units by time`, by.partitions > 0 && by.by_time > 0]);
    // Micro-batches have no statistics.
    const blocks = dataset !== "events_hot";
    all.push([`${dataset} ${blocks ? "skips" : "cannot skip"} by bounds and by subject`, by.by_bounds > 0 === blocks && by.by_subject > 0 === blocks]);
  }
  return all;
}

const begin = Date.now();
const directory = mkdtempSync(join(tmpdir(), "query-differential-"));
const csv = join(directory, "events.csv");
const vault = spawn(runner, [seed, csv], { stdio: ["pipe", "pipe", "inherit"] });
const exited = new Promise((resolve) => vault.on("close", resolve));
const lines = createInterface({ input: vault.stdout })[Symbol.asyncIterator]();
const counts = { failures: 0, full: 0, refused: 0, uses: new Map() };
let met = false;
const first = await lines.next();
if (!first.done) {
  const stored = JSON.parse(first.value);
  const db = await openDuckDB(csv);
  const queries = makeQueries(csv);
  vault.stdin.end(queries.map((query) => query.ours + "\n").join(""));
  for (const [i, query] of queries.entries()) {
    const line = await lines.next();
    if (line.done) break;
    const wrong = await check(db, query, JSON.parse(line.value), counts);
    if (wrong && ++counts.failures <= 10) console.log(`#${i} ${wrong}\n  ours ${query.ours}\n  duck ${query.duck}`);
  }
  const last = await lines.next();
  if (!last.done) {
    const skipped = JSON.parse(last.value);
    for (const name of FEATURES) console.log(`${name.padEnd(26)} ${counts.uses.get(name) ?? 0}`);
    for (const layout of stored) console.log("stored ", JSON.stringify(layout));
    for (const by of skipped) console.log("skipped", JSON.stringify(by));
    const required = requirements(stored, skipped, queries, counts);
    for (const [what, holds] of required) console.log(`${holds ? "ok    " : "FAILED"} ${what}`);
    met = required.every(([, holds]) => holds);
    console.log(`seed ${seed}: ${queries.length} queries over ${stored.length} datasets, ${counts.failures} differ, ` +
      `${((counts.full / queries.length) * 100).toFixed(1)} % with a non-empty answer, ${counts.refused} refused by both, ` +
      `${((Date.now() - begin) / 1000).toFixed(0)} s`);
  }
}
const status = await exited;
if (status !== 0) console.log(`the runner ended with ${status}`);
rmSync(directory, { recursive: true });
process.exit(met && status === 0 ? 0 : 1);

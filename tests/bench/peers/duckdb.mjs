// DuckDB in this process as a contender of the suite; driven by lines, see ../contender.h.
//
// usage: node duckdb.mjs CSV DIRECTORY FIRST_DAY plain|encrypted
import { createRequire } from "node:module";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const THREADS = 2;
const [csv, directory, firstDay, kind] = process.argv.slice(2);
const require = createRequire(new URL("../../package.json", import.meta.url));
const duckdb = await import(require.resolve("@duckdb/node-api"));
const file = join(directory, `duckdb-${kind}.db`);

function day(number) {
  const date = new Date(Date.parse(`${firstDay}T00:00:00Z`) + number * 86_400_000);
  return `TIMESTAMP '${date.toISOString().slice(0, 10)}'`;
}

let subject = "";
const queries = {
  count: () => "SELECT count(*) FROM usage",
  commands: () => "SELECT command, count(*), avg(duration_ms) FROM usage GROUP BY command",
  days: () => `SELECT date_trunc('day', event_time), os, count(*), avg(duration_ms) FROM usage
    WHERE duration_ms > 100 GROUP BY ALL`,
  users: () => `SELECT version, count(DISTINCT subject) FROM usage
    WHERE event_time >= ${day(10)} AND event_time < ${day(14)} GROUP BY version`,
  failures: () => "SELECT quantile_cont(duration_ms, 0.95) FROM usage WHERE exit_code <> 0",
  slice: () => `SELECT command, count(*), avg(duration_ms) FROM usage
    WHERE event_time >= ${day(15)} AND event_time < ${day(15)} + INTERVAL 432 MINUTES
    GROUP BY command`,
  subject: () => `SELECT event_time, command, version, duration_ms, exit_code FROM usage
    WHERE subject = '${subject}'::UUID`,
};

let instance;
let db;

async function open() {
  instance = await duckdb.DuckDBInstance.create(":memory:", { threads: String(THREADS) });
  db = await instance.connect();
  await db.run("SET TimeZone = 'UTC'");
  // Its own cipher writes only when told that it may.
  if (kind === "encrypted") await db.run("SET force_mbedtls_unsafe = 'true'");
  const options = kind === "encrypted" ? "(ENCRYPTION_KEY 'a key of the benchmark')" : "";
  await db.run(`ATTACH '${file}' AS store ${options}`);
  await db.run("USE store");
}

async function close() {
  db.closeSync();
  instance.closeSync();
}

async function load() {
  rmSync(file, { force: true });
  const start = performance.now();
  await open();
  await db.run(`CREATE TABLE usage AS SELECT * FROM read_csv('${csv}', header = false, columns = {
    event_time: 'TIMESTAMP', subject: 'UUID', command: 'VARCHAR', version: 'VARCHAR', os: 'VARCHAR',
    duration_ms: 'DOUBLE', exit_code: 'BIGINT'})`);
  await db.run("CHECKPOINT");
  const reader = await db.runAndReadAll("SELECT subject::VARCHAR FROM usage ORDER BY duration_ms DESC LIMIT 1");
  subject = reader.getRows()[0][0];
  return `${((performance.now() - start) / 1000).toFixed(3)} ${statSync(file).size}`;
}

async function ask(name) {
  if (!(name in queries)) throw new Error("there is no such question here");
  const reader = await db.runAndReadAll(queries[name]());
  return reader.getRowsJson();
}

const actions = {
  pids: async () => String(process.pid),
  load,
  restart: async () => {
    await close();
    const start = performance.now();
    await open();
    return ((performance.now() - start) / 1000).toFixed(6);
  },
  query: async ([name]) => {
    const start = performance.now();
    const rows = await ask(name);
    if (rows.length === 0) throw new Error(`${name} has no rows`);
    return ((performance.now() - start) / 1000).toFixed(6);
  },
  rows: async ([name]) => JSON.stringify(await ask(name)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = line.split(" ");
  try {
    console.log(`ok ${await actions[name](words)}`);
  } catch (error) {
    console.log(`error ${String(error.message).replaceAll("\n", " ")}`);
  }
}

// Does what it is told with node-postgres. See ../README.md.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { pipeline as pump } from "node:stream/promises";
import { Readable } from "node:stream";
import pg from "pg";
import copy from "pg-copy-streams";
import Cursor from "pg-cursor";

const LONG = 200;
const dsn = JSON.parse(process.argv[2]);
// Values as the server wrote them, not as JavaScript sees them.
const types = { getTypeParser: (_oid, format) => (raw) => (format === "binary" ? raw.toString("hex") : raw) };

const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");

const diagnosis = (m) => ({
  sqlstate: m.code ?? null,
  severity: m.severity ?? null,
  message: m.message,
  detail: m.detail ?? null,
  hint: m.hint ?? null,
});

const value = (something) => {
  if (something === null) return null;
  const text = String(something);
  if (text.length <= LONG) return text;
  return { length: text.length, md5: createHash("md5").update(text).digest("hex") };
};

const parameters = (given) => (given ?? []).map((p) => (typeof p === "object" && p ? p.repeat.repeat(p.times) : p));

const result = (r) => ({
  tag: r.command,
  count: r.rowCount,
  columns: r.fields.map((f) => [f.name, f.dataTypeID]),
  rows: r.rows.map((row) => row.map(value)),
});

const results = (r) => ({ results: (Array.isArray(r) ? r : [r]).map(result) });

let client;
let notified;

async function connect() {
  client = new pg.Client({ ...dsn, types });
  client.on("error", () => {});
  client.on("notice", (notice) => say({ notice: diagnosis(notice) }));
  notified = new Promise((resolve) => client.once("notification", resolve));
  await client.connect();
}

const run = (sql, params, more = {}) =>
  client.query({ text: sql, values: parameters(params), rowMode: "array", ...more });

const operations = {
  query: async (op) => results(await client.query({ text: op.sql, rowMode: "array" })),
  params: async (op) => results(await run(op.sql, op.params)),
  binary: async (op) => results(await run(op.sql, op.params, { binary: true })),
  async prepared(op) {
    const runs = [];
    for (const params of op.runs) runs.push(results(await run(op.sql, params, { name: "kept" })));
    return { runs };
  },
  async pipeline(op) {
    const settled = await Promise.allSettled(op.runs.map((params) => run(op.sql, params)));
    return {
      runs: settled.map((s) => (s.status === "fulfilled" ? results(s.value) : { error: diagnosis(s.reason) })),
    };
  },
  async copy_out(op) {
    const parts = [];
    for await (const part of client.query(copy.to(`COPY (${op.query}) TO STDOUT`))) parts.push(part);
    return { data: value(Buffer.concat(parts).toString()) };
  },
  async copy_in(op) {
    const stream = client.query(copy.from(`COPY ${op.table} FROM STDIN`));
    await pump(Readable.from([op.data]), stream);
    return { count: stream.rowCount };
  },
  async cursor(op) {
    const cursor = client.query(new Cursor(op.sql, [], { rowMode: "array" }));
    const parts = [];
    const rows = [];
    for (let part = await cursor.read(op.fetch); part.length; part = await cursor.read(op.fetch)) {
      parts.push(part.length);
      rows.push(...part.map((row) => row.map(value)));
    }
    await cursor.close();
    return { parts, digest: value(JSON.stringify(rows).padEnd(LONG + 1)) };
  },
  async transaction(op) {
    const tags = [];
    await client.query("BEGIN");
    try {
      for (const sql of op.statements) tags.push((await client.query(sql)).command);
      await client.query("COMMIT");
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    }
    return { tags };
  },
  async listen(op) {
    await client.query(`LISTEN ${op.channel}`);
    return {};
  },
  async notification() {
    const limit = new Promise((resolve) => setTimeout(resolve, 5000).unref());
    const message = await Promise.race([notified, limit]);
    if (!message) return {};
    return { channel: message.channel, payload: message.payload, own: message.processId === client.processID };
  },
  async cancel(op) {
    const query = new pg.Query(op.sql);
    const outcome = new Promise((resolve, reject) => {
      query.once("end", () => resolve({}));
      query.once("error", reject);
    });
    client.query(query);
    setTimeout(() => new pg.Client(dsn).cancel(client, query), op.after_ms);
    return outcome;
  },
  async reconnect() {
    await client.end();
    await connect();
    return {};
  },
};

try {
  await connect();
  say({ connected: true });
} catch (error) {
  say({ connected: false, error: diagnosis(error) });
  process.exit(0);
}
for await (const line of createInterface({ input: process.stdin })) {
  const op = JSON.parse(line);
  let answer;
  try {
    answer = await operations[op.op](op);
  } catch (error) {
    answer = { error: diagnosis(error) };
  }
  say({ answer });
}
process.exit(0);

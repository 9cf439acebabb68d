// The medians of what benches/postgres measured, and what is promised of them: node ratios.mjs FILE
import { readFileSync } from "node:fs";

// Some of the programs log where they print.
const lines = readFileSync(process.argv[2], "utf8").split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

const seen = new Map();
const note = (system, figure, value) => {
  const key = `${system}: ${figure}`;
  seen.set(key, [...(seen.get(key) ?? []), value]);
};
for (const line of lines) {
  for (const { name, value } of line.figures ?? []) note("longhaul", name, value);
  const { system, figures, ...values } = line;
  if (system) for (const [name, value] of Object.entries(values)) note(system, name, value);
}
for (const [key, values] of seen) console.log(`${key}: ${median(values).toFixed(values[0] < 100 ? 2 : 0)}`);

const of = (key) => median(seen.get(key) ?? [NaN]);
const ratio = (what, own, peer, target) => {
  const times = of(`longhaul: ${own}`) / of(peer);
  console.log(`${what} beside ${peer}: ${times.toFixed(2)} x (target ${target}) ${times >= target ? "" : "MISSED"}`);
};
console.log();
const one = "enqueue one by one, 16 tasks";
for (const peer of ["pg-boss", "graphile-worker", "apalis-postgres"]) ratio("single enqueues", one, `${peer}: singles`, 4);
ratio("1,000 at a time", "enqueue 1,000 at a time", "apalis-postgres: bulk", 1.5);
ratio("drain", "drain, 500 at a time", "graphile_worker: drained", 1.5);
ratio("drain", "drain, 500 at a time", "pg-boss: drained", 3);

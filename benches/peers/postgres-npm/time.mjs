// pg-boss and graphile-worker, measured as `longhaul bench --database-url` measures Longhaul: args of 200 bytes, jobs that
// do nothing.
//
//   node time.mjs pg-boss|graphile-worker URL
//
// Prints one JSON object: single enqueues a second with 16 in flight, jobs a second in batches of 1,000, jobs drained a second.
import { Logger, run, makeWorkerUtils } from "graphile-worker";
import { PgBoss } from "pg-boss";

const [system, url] = process.argv.slice(2);
const SINGLES = 10_000;
const BULK = 100_000;
const DRAINED = 50_000;
const args = { payload: "x".repeat(200 - 14) };

const perSecond = async (jobs, work) => {
  const start = process.hrtime.bigint();
  await work();
  return Math.round((jobs * 1e9) / Number(process.hrtime.bigint() - start));
};

const together = (tasks, calls, call) => {
  let next = 0;
  return Promise.all(
    Array.from({ length: tasks }, async () => {
      while (next++ < calls) await call();
    }),
  );
};

const measure = async ({ single, many, clear, drain }) => {
  const singles = await perSecond(SINGLES, () => together(16, SINGLES, single));
  await clear();
  const bulk = await perSecond(BULK, () => together(2, BULK / 1000, () => many(1000)));
  await clear();
  for (let at = 0; at < DRAINED; at += 1000) await many(1000);
  let left = DRAINED;
  let stop;
  const drained = await perSecond(DRAINED, async () => {
    await new Promise((done) => {
      stop = drain((ran) => {
        left -= ran;
        if (left <= 0) done();
      });
    });
  });
  await (await stop)();
  console.log(JSON.stringify({ system, singles, bulk, drained }));
};

const pgBoss = async () => {
  const boss = new PgBoss({ connectionString: url, max: 20 });
  boss.on("error", console.error);
  await boss.start();
  await boss.createQueue("nothing");
  const batch = Array.from({ length: 1000 }, () => ({ data: args }));
  await measure({
    single: () => boss.send("nothing", args),
    many: () => boss.insert("nothing", batch),
    clear: () => boss.deleteAllJobs("nothing"),
    drain: async (ran) => {
      const end = { batchSize: 500, pollingIntervalSeconds: 0.5 };
      // As many as run at once elsewhere: each takes a batch, and acknowledges it as a whole.
      for (let worker = 0; worker < 4; worker++) await boss.work("nothing", end, async (jobs) => ran(jobs.length));
      return () => boss.stop({ graceful: false });
    },
  });
};

const graphileWorker = async () => {
  // It would say a line for each job.
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: 20, logger });
  await utils.migrate();
  const batch = Array.from({ length: 1000 }, () => ({ identifier: "nothing", payload: args }));
  await measure({
    single: () => utils.addJob("nothing", args),
    many: () => utils.addJobs(batch),
    clear: () => utils.withPgClient((client) => client.query("truncate graphile_worker._private_jobs cascade")),
    drain: async (ran) => {
      const runner = await run({
        connectionString: url,
        noHandleSignals: true,
        taskList: { nothing: () => ran(1) },
        preset: {
          worker: {
            connectionString: url,
            logger,
            concurrentJobs: 100,
            maxPoolSize: 20,
            pollInterval: 500,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      });
      return async () => {
        await runner.stop();
        await utils.release();
      };
    },
  });
};

const systems = { "pg-boss": pgBoss, "graphile-worker": graphileWorker };
await systems[system]();
process.exit(0);

// An EventSource that follows a job to its end and prints what it hears, a JSON line each.
//   node sse.mjs URL TOKEN_FILE JOB [--stay]
// With --stay it does not close at the job's end: the server has to tell it not to come again. Exit code 0 after the
// job's end, 1 when refused.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { EventSource } from 'eventsource';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { stay: { type: 'boolean', default: false } },
});
const [url, tokenFile, job] = positionals;
const say = (event, body) => console.log(JSON.stringify({ event, body }));
const authorization = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
let end = false;

const source = new EventSource(`${url}/api/v1/jobs/${job}/events`, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, authorization } }),
});
source.onopen = () => say('open', null);
source.onerror = (error) => {
  say('error', { code: error.code ?? null, closed: source.readyState === EventSource.CLOSED });
  if (source.readyState === EventSource.CLOSED) process.exit(end ? 0 : 1);
};
for (const name of ['state', 'progress', 'log', 'items', 'cancelRequested', 'removed', 'missed']) {
  source.addEventListener(name, ({ data, lastEventId }) => {
    const body = JSON.parse(data);
    say(name, { ...body, lastEventId });
    end = name === 'state' && ['completed', 'failed', 'cancelled'].includes(body.state);
    if (end && !values.stay) {
      source.close();
      process.exit(0);
    }
  });
}

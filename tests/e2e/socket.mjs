// A Socket.IO client that follows a job to its end, or all jobs, and prints what it hears, a JSON line each.
//   node socket.mjs URL TOKEN_FILE [--follow JOB] [--all FILTER] [--transport NAME] [--pause FILE]
// With --pause it reads nothing once it follows, until FILE is there. Exit code 0 after the job's end, 1 when refused.
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    follow: { type: 'string' },
    all: { type: 'string' },
    transport: { type: 'string' },
    pause: { type: 'string' },
  },
});
const [url, tokenFile] = positionals;
const say = (event, body) => console.log(JSON.stringify({ event, body }));
const ended = (body) => ['completed', 'failed', 'cancelled'].includes(body.state);

const socket = io(url, {
  auth: { token: tokenFile ? readFileSync(tokenFile, 'utf8').trim() : undefined },
  ...(values.transport && { transports: [values.transport] }),
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
});

function finish() {
  socket.close();
  process.exit(0);
}

function pause() {
  const stream = socket.io.engine.transport.ws._socket;
  stream.pause();
  const timer = setInterval(() => {
    if (existsSync(values.pause)) {
      clearInterval(timer);
      stream.resume();
    }
  }, 20);
}

socket.on('connect', async () => {
  say('connect', { transport: socket.io.engine.transport.name });
  if (values.all !== undefined) {
    say('answer', await socket.emitWithAck('jobs:follow', { filter: JSON.parse(values.all) }));
  }
  if (values.follow) {
    const job = await socket.emitWithAck('job:follow', { jobId: values.follow });
    say('answer', job);
    if (job.code || ended(job)) finish();
  }
  if (values.pause) pause();
});
socket.onAny((event, body) => {
  say(event, body);
  if (event === 'job:state' && body.jobId === values.follow && ended(body)) finish();
});
socket.on('disconnect', (reason) => say('disconnect', reason));
socket.on('connect_error', (error) => {
  say('connect_error', error.message);
  // While the server is replaced nobody answers, and the client tries again by itself.
  if (!socket.active) process.exit(1);
});

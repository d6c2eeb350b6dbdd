// node load.mjs URL [RATE_PER_SECOND] [SECONDS] [CONNECTIONS]   steady load; a JSON summary at the end
// A new connection for each request, unless CONNECTIONS says how many are kept and used again. SECONDS 0: until told to stop.
// A failed request is not tried again: what the mesh loses is counted.
import http from 'node:http';

const [url, rate = '50', seconds = '0', kept = '0'] = process.argv.slice(2);
const agent = Number(kept) > 0 ? new http.Agent({ keepAlive: true, maxSockets: Number(kept) }) : false;
let sent = 0;
let ok = 0;
const failures = [];
const latencies = [];
const ask = () => {
  sent += 1;
  const started = process.hrtime.bigint();
  const request = http.get(url, { agent, timeout: 10_000 }, (response) => {
    response.resume();
    response.on('end', () => {
      if (response.statusCode === 200) ok += 1;
      else failures.push({ at: Date.now(), how: String(response.statusCode) });
      latencies.push(Number(process.hrtime.bigint() - started) / 1e6);
    });
    response.on('error', (error) => failures.push({ at: Date.now(), how: `answer ${error.code}` }));
  });
  request.on('timeout', () => request.destroy(new Error('timeout')));
  request.on('error', (error) => failures.push({ at: Date.now(), how: error.code ?? error.message }));
};
const timer = setInterval(ask, 1000 / Number(rate));
const finish = () => {
  clearInterval(timer);
  setTimeout(() => {
    latencies.sort((a, b) => a - b);
    const at = (q) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))];
    console.log(
      JSON.stringify({
        event: 'summary',
        at: Date.now(),
        sent,
        ok,
        failed: failures.length,
        failures: failures.slice(0, 20),
        p50: at(0.5),
        p99: at(0.99),
      }),
    );
    process.exit(0);
  }, 3000);
};
console.log(JSON.stringify({ event: 'started', at: Date.now() }));
if (Number(seconds) > 0) setTimeout(finish, Number(seconds) * 1000);
// A line on standard input ends it.
process.stdin.once('data', finish);

import { parseWrk, patientScript } from './wrk.ts';

const OUTPUT = `Running 2s test @ http://127.0.0.1:4000/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.54ms  431.06us   9.52ms   86.03%
    Req/Sec    20.84k     1.06k   23.34k    71.43%
  Latency Distribution
     50%  950.00us
     75%    1.74ms
     90%    1.99ms
     99%    1.83s 
  43531 requests in 2.10s, 7.06MB read
Requests/sec:  20729.80
Transfer/sec:      3.36MB
`;

test('requests, rate and latencies, whatever their units', () => {
  const { requests, requestsPerSecond, p50, p99, errors } = parseWrk(OUTPUT);
  expect([requests, errors]).toEqual([43_531, 0]);
  expect(requestsPerSecond).toBeCloseTo(20_729.8);
  expect(p50).toBeCloseTo(0.95);
  expect(p99).toBeCloseTo(1830);
});

test('the time before the first request does not count', () => {
  expect(parseWrk(OUTPUT, 1).requestsPerSecond).toBeCloseTo(43_531 / 1.1, -2);
});

test('what failed is counted, of every kind', () => {
  const failed = `${OUTPUT}  Socket errors: connect 1, read 3, write 0, timeout 2\n`;
  expect(parseWrk(failed).errors).toBe(6);
  expect(parseWrk(`${failed}  Non-2xx or 3xx responses: 12\n`).errors).toBe(18);
});

test('what is not an output of wrk is shown', () => {
  expect(() => parseWrk('unable to connect')).toThrow('unable to connect');
});

test('each connection waits once', () => {
  expect(patientScript(32, 500)).toContain('if calls <= 32 then return 500 end');
});

import { HealthRoutes } from './health-routes.ts';
import type { ProbeResult } from '../config/probe.ts';
import { gauge } from './metrics/instruments.ts';

const SECRET = '0123456789abcdef0123456789abcdef';
const LIVENESS = `app/liveness-${SECRET}`;

function setUp() {
  const missing: string[] = ['certificate'];
  const waiting: ((result: ProbeResult) => void)[] = [];
  const routes = new HealthRoutes({
    readiness: { missing: () => missing },
    families: () => [gauge('mesh_ready', 'x', () => 1)],
    probes: new Map([[LIVENESS, { kind: 'tcp' as const, port: 80, timeoutMs: 1_000 }]]),
    probeSecret: SECRET,
    runProbe: () => new Promise((resolve) => waiting.push(resolve)),
  });
  const get = (path: string, method = 'GET') =>
    routes.route({ method, path, query: new URLSearchParams(), body: () => Promise.resolve('') });
  return { missing, waiting, routes, get };
}

test('start-up stays good once it was; readiness comes and goes', async () => {
  const { missing, get } = setUp();
  expect(await get('/startup')).toMatchObject({ status: 503, body: 'waiting for: certificate\n' });
  missing.length = 0;
  expect(await get('/readyz')).toMatchObject({ status: 200 });
  missing.push('certificate');
  expect(await get('/readyz')).toMatchObject({ status: 503 });
  expect(await get('/startup')).toMatchObject({ status: 200 });
});

test("the kubelet's paths are known from those that anybody may guess, and answered alike", async () => {
  const { missing, routes, get } = setUp();
  missing.length = 0;
  for (const path of [`/probe/${LIVENESS}`, `/readyz/${SECRET}`, `/startup/${SECRET}`])
    expect(`${path} ${routes.isProbe(path)}`).toBe(`${path} true`);
  for (const path of ['/readyz', '/startup', '/metrics', '/probe/app/liveness', `/metrics/${SECRET}`])
    expect(`${path} ${routes.isProbe(path)}`).toBe(`${path} false`);
  expect(await get(`/readyz/${SECRET}`)).toMatchObject({ status: 200, body: 'ok\n' });
  expect(await get(`/startup/${SECRET}`)).toMatchObject({ status: 200 });
  expect(await get(`/metrics/${SECRET}`)).toMatchObject({ status: 404 });
  expect(await get(`/readyz/${'f'.repeat(32)}`)).toMatchObject({ status: 404 });
});

test('a probe asked by many is run once', async () => {
  const { waiting, routes, get } = setUp();
  const answers = Promise.all(Array.from({ length: 50 }, () => get(`/probe/${LIVENESS}`)));
  expect(waiting).toHaveLength(1);
  expect(routes.underWay).toBe(1);
  waiting[0]?.({ ok: false, message: 'connection refused' });
  expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([503]));
  expect(routes.underWay).toBe(0);
});

test.each([
  '/',
  '/config',
  '/policy',
  '/certificate',
  '/quit',
  '/probe/',
  '/probe/app/readiness',
  '/probe/app/liveness',
  `/probe/app/liveness-${'f'.repeat(32)}`,
  '/probe/../config',
  '/readyz/',
])('%s is not there', async (path) => {
  expect((await setUp().get(path)).status).toBe(404);
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'CONNECT'])('%s is not served', async (method) => {
  expect((await setUp().get('/healthz', method)).status).toBe(405);
});

import { eventually } from '#base/testing/eventually.ts';
import type { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import type { FakeLog } from '#base/testing/log.fake.ts';

import { WholeOperator, untilReady } from './whole-operator.fake.ts';

describe('the health and readiness of an operator, whole, against an API server', () => {
  let whole: WholeOperator;
  let fake: FakeApiServer;
  let log: FakeLog;
  let start: WholeOperator['start'];

  beforeEach(async () => {
    whole = await WholeOperator.prepare();
    ({ fake, log, start } = whole);
  });

  afterEach(() => whole.close());

  test('health, readiness and metrics are served in plain; unknown paths are not', async () => {
    const { httpPort } = await start();
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${httpPort}${path}`);
    expect((await get('/healthz')).status).toBe(200);
    await eventually(() => log.lines.some(({ message }) => message === 'registered with the API server'));
    const ready = await get('/readyz');
    expect([ready.status, await ready.text()]).toEqual([
      200,
      'ok      start\nok      caches\nok      serving certificate\nok      webhooks\n',
    ]);
    const metrics = await (await get('/metrics')).text();
    expect(metrics).toContain('mesh_operator_leader 1');
    expect(metrics).toMatch(/mesh_root_expiry_timestamp_seconds\{root="[0-9a-f]{12}",active="true"\} \d+/);
    expect(metrics).toContain('mesh_operator_cache_objects{kind="MeshConfig"} 1');
    expect((await get('/v1/sign')).status).toBe(404);
    expect((await get('/')).headers.get('x-powered-by')).toBeNull();
  });

  test('not ready while a kind of object cannot be read, and says which', async () => {
    fake.failNext(403, 1000, undefined, ({ path }) => path.includes('/intentions'));
    const { httpPort } = await start();
    const response = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('not ok  caches: not read yet:');
  });

  test('an API server that is away at the start is waited for: alive, not ready, then ready', async () => {
    await fake.stop();
    const starting = new AbortController();
    const httpPort = 20_000 + Math.floor(Math.random() * 10_000);
    const started = start({ MESH_HTTP_PORT: String(httpPort) }, undefined, starting.signal);
    const status = (path: string): Promise<number> =>
      fetch(`http://127.0.0.1:${httpPort}${path}`).then((response) => response.status);
    await eventually(() => log.lines.some(({ message }) => message.startsWith('cannot ask the API server')));
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 503]);
    await fake.start();
    await started;
    await untilReady(httpPort);
  });

  test('told to end while it waits for the API server, it ends', async () => {
    await fake.stop();
    const starting = new AbortController();
    const started = start({}, undefined, starting.signal);
    await eventually(() => log.lines.length > 0);
    starting.abort(new Error('told to end'));
    await expect(started).rejects.toThrow('told to end');
  });
});

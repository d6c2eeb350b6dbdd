import { eventually } from '../testing/eventually.fake.ts';
import type { FakeClient } from '../testing/app.fake.ts';
import { ManyCores } from './many-cores.fake.ts';

/** `db` on two cores: real processes, real sockets. */

const STARTING_MS = 25_000;
let mesh: ManyCores;

afterEach(() => mesh.close());

async function ready(of: ManyCores = mesh): Promise<void> {
  await eventuallyAsync(async () => (await of.admin('/readyz')).status === 200, STARTING_MS);
}

async function eventuallyAsync(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** db on two cores with web allowed, and so many connections of web's application, each of which has moved bytes. */
async function pair(connections: number): Promise<readonly FakeClient[]> {
  mesh = await ManyCores.prepare();
  mesh.intend('allow', 1);
  mesh.start(2);
  await ready();
  const web = await mesh.client();
  await eventually(() => web.missing().length === 0);
  const clients = await Promise.all(Array.from({ length: connections }, () => mesh.connect()));
  for (const client of clients) expect((await client.exchange('hello')).toString()).toBe('hello');
  return clients;
}

interface Shown {
  readonly inbound: { readonly open: number };
  readonly workers: readonly { readonly worker: number; readonly inbound: { readonly open: number } }[];
}

async function connections(): Promise<Shown> {
  return JSON.parse((await mesh.local('/connections')).body) as Shown;
}

async function metric(line: RegExp): Promise<number> {
  return Number(line.exec((await mesh.admin('/metrics')).body)?.[1]);
}

test('two workers share the connections, and one scrape counts those of both', async () => {
  await pair(6);
  const { inbound, workers } = await connections();
  expect(inbound.open).toBe(6);
  expect(workers.map((one) => one.inbound.open)).toEqual([3, 3]);
  expect(await metric(/^mesh_connections_open\{direction="inbound",security="mtls"\} (\d+)$/m)).toBe(6);
  expect(await metric(/^mesh_ready (\d+)$/m)).toBe(1);
  expect(await metric(/^mesh_workers_answering (\d+)$/m)).toBe(2);
});

/**
 * The time two sidecars add, on loopback: client -> outbound -> inbound -> echo server, each sidecar a process of its own,
 * against client -> echo server. Direct and meshed requests take turns, so that whatever else the machine does hits both.
 *
 *     npx tsx bench/dataplane-latency.ts [--requests 5000] [--connections 500] [--bytes 1024] [--megabytes 256]
 *
 * Prints JSON; times in microseconds.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { TestPki } from '#pki/test-pki.fake.ts';

import type { SidecarOrder } from './dataplane-sidecar.ts';

const CHILD = fileURLToPath(new URL('./dataplane-sidecar.ts', import.meta.url));
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '5000' },
    connections: { type: 'string', default: '500' },
    bytes: { type: 'string', default: '1024' },
    megabytes: { type: 'string', default: '256' },
  },
});

const echo = createServer(
  { noDelay: true },
  (socket) => void socket.on('error', () => undefined).pipe(socket),
);
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
const appPort = (echo.address() as AddressInfo).port;
const children: ChildProcess[] = [];
const pki = await TestPki.create();
const db = { namespace: 'shop', service: 'db' };
const common = { rootPem: pki.rootPem, trustDomain: pki.trustDomain, appPort, db: pki.spiffeId(db) };
const inboundPort = await startSidecar({
  ...common,
  role: 'inbound',
  svid: await leaf('db'),
  inboundPort: 0,
});
const meshPort = await startSidecar({ ...common, role: 'outbound', svid: await leaf('web'), inboundPort });

const [direct, meshed] = [await dial(appPort), await dial(meshPort)];
const payload = Buffer.alloc(Number(values.bytes), 'x');
for (let index = 0; index < 500; index++) {
  await roundTrip(direct, payload);
  await roundTrip(meshed, payload);
}
const keepAlive = await compare(
  Number(values.requests),
  () => roundTrip(direct, payload),
  () => roundTrip(meshed, payload),
);
const newConnections = await compare(
  Number(values.connections),
  () => oneConnection(appPort),
  () => oneConnection(meshPort),
);
const bulk = { directMBps: await transfer(direct), meshedMBps: await transfer(meshed) };
console.log(
  JSON.stringify(
    {
      node: process.version,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      bytes: payload.length,
      keepAlive,
      newConnections,
      bulk: { ...bulk, ratio: round(bulk.meshedMBps / bulk.directMBps) },
    },
    undefined,
    2,
  ),
);
direct.destroy();
meshed.destroy();
echo.close();
for (const child of children) child.kill();

async function leaf(service: string): Promise<SidecarOrder['svid']> {
  const { certChainPem, keyPem } = await pki.svid({ namespace: 'shop', service });
  return { certChainPem, keyPem };
}

function startSidecar(order: SidecarOrder): Promise<number> {
  const child = fork(CHILD, { execArgv: ['--import', 'tsx'] });
  children.push(child);
  child.send(order);
  return new Promise((resolve) =>
    child.once('message', (message: { port: number }) => resolve(message.port)),
  );
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });
}

/** Sends, and waits until as much has come back. */
function roundTrip(socket: Socket, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    let missing = data.length;
    const onData = (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      socket.off('data', onData);
      resolve();
    };
    socket.on('data', onData);
    socket.write(data);
  });
}

async function oneConnection(port: number): Promise<void> {
  const socket = await dial(port);
  await roundTrip(socket, payload);
  socket.destroy();
}

/** Megabytes per second through an echo and back. */
async function transfer(socket: Socket): Promise<number> {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  const total = Number(values.megabytes);
  const started = performance.now();
  let received = 0;
  const done = new Promise<void>((resolve) => {
    socket.on('data', (data: Buffer) => {
      received += data.length;
      if (received >= total * chunk.length) resolve();
    });
  });
  for (let index = 0; index < total; index++) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  await done;
  socket.removeAllListeners('data');
  return round((total * 1000) / (performance.now() - started));
}

async function compare(count: number, one: () => Promise<void>, other: () => Promise<void>): Promise<object> {
  const times: [number[], number[]] = [[], []];
  for (let index = 0; index < count; index++) {
    times[0].push(await timed(one));
    times[1].push(await timed(other));
  }
  const [directTimes, meshedTimes] = times.map(summary);
  return {
    count,
    direct: directTimes,
    meshed: meshedTimes,
    added: {
      p50: round(meshedTimes!.p50 - directTimes!.p50),
      p99: round(meshedTimes!.p99 - directTimes!.p99),
    },
  };
}

async function timed(action: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await action();
  return (performance.now() - started) * 1000;
}

function summary(times: number[]): { p50: number; p99: number } {
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/**
 * The time two sidecars add, on loopback: client -> outbound -> inbound -> echo server, each sidecar a process of its own,
 * against client -> echo server, and against two processes in between that only pass bytes on (`relayed`: what hops cost
 * whatever they do). The three take turns, so that whatever else the machine does hits all.
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

const secondRelay = await startSidecar({
  ...common,
  role: 'relay',
  svid: await leaf('db'),
  inboundPort: appPort,
});
const relayPort = await startSidecar({
  ...common,
  role: 'relay',
  svid: await leaf('db'),
  inboundPort: secondRelay,
});
const [direct, meshed, relayed] = [await dial(appPort), await dial(meshPort), await dial(relayPort)];
const payload = Buffer.alloc(Number(values.bytes), 'x');
for (let index = 0; index < 500; index++) {
  await roundTrip(direct, payload);
  await roundTrip(meshed, payload);
  await roundTrip(relayed, payload);
}
const keepAlive = await compare(Number(values.requests), {
  direct: () => roundTrip(direct, payload),
  relayed: () => roundTrip(relayed, payload),
  meshed: () => roundTrip(meshed, payload),
});
const newConnections = await compare(Number(values.connections), {
  direct: () => oneConnection(appPort),
  relayed: () => oneConnection(relayPort),
  meshed: () => oneConnection(meshPort),
});
const bulk = {
  directMBps: await transfer(direct),
  relayedMBps: await transfer(relayed),
  meshedMBps: await transfer(meshed),
};
console.log(
  JSON.stringify(
    {
      node: process.version,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      bytes: payload.length,
      keepAlive,
      newConnections,
      bulk: { ...bulk, meshedToRelayed: round(bulk.meshedMBps / bulk.relayedMBps) },
    },
    undefined,
    2,
  ),
);
direct.destroy();
meshed.destroy();
relayed.destroy();
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

/** Times each way `count` times, in turns. */
async function compare(
  count: number,
  ways: Readonly<Record<'direct' | 'relayed' | 'meshed', () => Promise<void>>>,
): Promise<object> {
  const times = { direct: [] as number[], relayed: [] as number[], meshed: [] as number[] };
  for (let index = 0; index < count; index++) {
    times.direct.push(await timed(ways.direct));
    times.relayed.push(await timed(ways.relayed));
    times.meshed.push(await timed(ways.meshed));
  }
  const [one, two, three] = [summary(times.direct), summary(times.relayed), summary(times.meshed)];
  const added = (from: Summary) => ({ p50: round(three.p50 - from.p50), p99: round(three.p99 - from.p99) });
  return {
    count,
    direct: one,
    relayed: two,
    meshed: three,
    addedToDirect: added(one),
    addedToRelayed: added(two),
  };
}

async function timed(action: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await action();
  return (performance.now() - started) * 1000;
}

interface Summary {
  readonly p50: number;
  readonly p99: number;
}

function summary(times: number[]): Summary {
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { FakeMetrics } from '../../testing/metrics.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { Listener } from './listener.ts';

/** Run with few descriptors: more connections come than it can have, then they leave. Prints what happened. */
const metrics = new FakeMetrics();
const accepted: Socket[] = [];
const listener = new Listener({
  hosts: ['127.0.0.1'],
  port: 0,
  metrics,
  onConnection: (socket) => void accepted.push(socket),
});
await listener.start();

const clients: Socket[] = [];
while (metrics.acceptFailures.length === 0 && clients.length < 500) {
  const socket = connect({ port: listener.port, host: '127.0.0.1' });
  clients.push(socket.on('error', () => undefined));
  await new Promise((resolve) => setTimeout(resolve, 2));
}
for (const socket of [...clients, ...accepted]) socket.destroy();
await new Promise((resolve) => setTimeout(resolve, 50));
const before = accepted.length;
const later = connect({ port: listener.port, host: '127.0.0.1' });
await eventually(() => accepted.length > before);
later.destroy();
listener.close();
console.log(JSON.stringify({ failures: [...new Set(metrics.acceptFailures)], servedAfterwards: true }));
process.exit(0);

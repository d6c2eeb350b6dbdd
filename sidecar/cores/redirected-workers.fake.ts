import { once } from 'node:events';
import { connect } from 'node:net';

import { Listener } from '../dataplane/connection/listener.ts';
import { kernelOriginalDestination } from '../dataplane/original-destination/kernel.ts';
import { FakeMetrics } from '../testing/metrics.fake.ts';
import { clusterFork } from './worker-process.ts';
import type { WorkerProcess } from './worker-process.ts';

/**
 * Run in a network namespace whose rules redirect port 80 to these listeners, which two workers share. Each prints where its
 * connections wanted to go.
 */
const LISTENER = 15001;
const HOSTS = ['127.0.0.1', '::1'] as const;
const EACH = 2;

if (process.argv[2] === 'worker') await worker();
else await primary();

async function primary(): Promise<void> {
  const fork = clusterFork();
  const workers: WorkerProcess[] = [];
  for (const number of ['1', '2']) {
    await new Promise<void>((resolve, reject) =>
      workers.push(fork({ MESH_WORKER: number }, { onMessage: () => resolve(), onExit: reject })),
    );
  }
  for (const host of HOSTS) {
    for (let count = 0; count < EACH; count++) {
      const client = connect({ host, port: 80 }).on('error', () => undefined);
      await once(client, 'close');
    }
  }
  for (const one of workers) one.kill('SIGKILL');
  process.exit(0);
}

async function worker(): Promise<void> {
  const originalDestination = await kernelOriginalDestination();
  for (const host of HOSTS) {
    await new Listener({
      near: true,
      hosts: [host],
      port: LISTENER,
      metrics: new FakeMetrics(),
      onConnection: (socket) => {
        console.log(
          JSON.stringify({ worker: process.env['MESH_WORKER'], ...originalDestination.of(socket) }),
        );
        socket.destroy();
      },
    }).start();
  }
  process.send?.({ kind: 'started' });
}

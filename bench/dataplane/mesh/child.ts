/**
 * One sidecar as it ships, composed as `sidecar/main.ts` does, but on ports of the benchmark's choosing: many run on one
 * machine here. Everything else it reads from the environment as always.
 */
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { LevelLog } from '#sidecar/admin/level-log.ts';
import { readConfig } from '#sidecar/config/config.ts';
import { withoutRedirection } from '#sidecar/dataplane/original-destination/original-destination.ts';
import { releaseProgramPages } from '#sidecar/process/program-pages.ts';
import { Sidecar } from '#sidecar/process/sidecar.ts';

/** Told in the variable `MESH_BENCH_ORDER`. */
export interface SidecarOrder {
  readonly api: string;
  readonly apiCaPem: string;
  readonly inboundPort: number;
  readonly peerPort: number;
  /** How peers are reached: the way that ships, or a TLS connection for each stream. */
  readonly transport: 'default' | 'plain';
  /** Unless the usual limit is to hold. */
  readonly maxConnections?: number;
  /** Where probes and metrics are asked for; any free port when absent. */
  readonly adminPort?: number;
}

/** The real one gives back what only its start needed after thirty seconds, for which no measurement waits. */
const SETTLED_MS = 2_000;

const order = JSON.parse(process.env['MESH_BENCH_ORDER'] ?? '{}') as SidecarOrder;
const config = readConfig(process.env);
const log = new LevelLog(config.logLevel);
const sidecar = new Sidecar({
  config,
  api: new KubeClient({ config: { server: order.api, caPem: order.apiCaPem }, userAgent: 'mesh-sidecar' }),
  clock: systemClock,
  log,
  originalDestination: withoutRedirection,
  onFinish: () => process.exit(0),
  listen: {
    inboundHosts: ['127.0.0.1'],
    inboundPort: order.inboundPort,
    peerPort: order.peerPort,
    adminHosts: ['127.0.0.1'],
    adminPort: order.adminPort ?? 0,
    localPort: 0,
  },
  settings: {
    ...(order.transport === 'plain' ? { tunnel: false } : {}),
    ...(order.maxConnections === undefined ? {} : { maxConnections: order.maxConnections }),
  },
});
await sidecar.start();
systemClock.setTimeout(() => void releaseProgramPages(), SETTLED_MS);

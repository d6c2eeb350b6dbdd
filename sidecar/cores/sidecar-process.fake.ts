/**
 * A sidecar as `sidecar/main.ts` composes it, but on ports of a test's choosing and with an API server over plain HTTP. Told in
 * the variable `MESH_TEST_ORDER`; everything else it reads from the environment as always.
 */
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';

import { LevelLog } from '../admin/level-log.ts';
import { readConfig } from '../config/config.ts';
import { withoutRedirection } from '../dataplane/original-destination/original-destination.ts';
import { shutdownTimes } from '../process/shutdown.ts';
import { Sidecar } from '../process/sidecar.ts';
import type { ListenOptions, SidecarOptions } from '../process/sidecar.ts';
import { Primary } from './primary.ts';
import { PrimaryLink } from './primary-link.ts';
import { clusterFork } from './worker-process.ts';

export interface SidecarOrder {
  readonly api: string;
  readonly listen: Partial<ListenOptions>;
}

const order = JSON.parse(process.env['MESH_TEST_ORDER'] ?? '{}') as SidecarOrder;
const config = readConfig(process.env);

if (process.argv[2] === 'worker') await worker();
else await primary();

async function primary(): Promise<void> {
  const log = new LevelLog(config.logLevel);
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (end = resolve));
  process.on('SIGTERM', () => end('SIGTERM'));
  const life = new Primary({
    config,
    clock: systemClock,
    log,
    fork: clusterFork(),
    listen: order.listen,
    onFinish: () => end('finish'),
  });
  await life.start();
  const reason = await ended;
  await life.stop(reason === 'finish' ? { minimumMs: 0, deadlineMs: 3_000 } : shutdownTimes(config));
  process.exit(0);
}

async function worker(): Promise<void> {
  const log = new LevelLog(config.logLevel, undefined, { worker: Number(process.env['MESH_WORKER']) });
  process.on('SIGTERM', () => undefined).on('SIGINT', () => undefined);
  const link = new PrimaryLink(process, log, () => process.exit(1));
  const sidecar = sidecarOf(log, {
    onFinish: () => link.finish(),
    adminPorts: false,
    busyElsewhere: () => link.busy,
    siblings: link,
  });
  await sidecar.start();
  link.serve(sidecar);
  await sidecar.stop(await link.stopped);
  process.exit(0);
}

function sidecarOf(
  log: LevelLog,
  more: Pick<SidecarOptions, 'onFinish' | 'adminPorts' | 'busyElsewhere' | 'siblings'>,
): Sidecar {
  const api = new KubeClient({
    config: { server: order.api, token: () => Promise.resolve('') },
    userAgent: 'mesh-sidecar',
  });
  return new Sidecar({
    config,
    api,
    clock: systemClock,
    log,
    originalDestination: withoutRedirection,
    listen: order.listen,
    ...more,
  });
}

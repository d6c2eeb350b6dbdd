import { inClusterConfig } from '#kube/cluster/in-cluster.ts';
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { ignoreInspectorSignal } from '#base/inspector.ts';
import type { Logger } from '#base/log.ts';

import { LevelLog } from './admin/level-log.ts';
import { SidecarConfigError, readConfig } from './config/config.ts';
import type { SidecarConfig } from './config/config.ts';
import { kernelOriginalDestination } from './dataplane/original-destination/kernel.ts';
import { withoutRedirection } from './dataplane/original-destination/original-destination.ts';
import { releaseProgramPages } from './process/program-pages.ts';
import { Sidecar } from './process/sidecar.ts';
import type { SidecarOptions } from './process/sidecar.ts';
import { shutdownTimes } from './process/shutdown.ts';
import { waitUntilReady } from './process/wait.ts';

const USAGE = `mesh sidecar

Usage:
  sidecar [run]           serve this pod (the default); reads its settings from the environment
  sidecar wait            wait until the sidecar of this pod is ready, at most two minutes
  sidecar redirect ...    lead this pod's traffic to the sidecar; see redirect --help
`;

/** A page of a list, as JSON, and what is made of it must fit beside everything else into the memory that the chart ships. */
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** How long a sidecar that was told to finish lets open connections end, milliseconds. */
const FINISH_MS = 3_000;

/** When what only the start needed is given back, after the start, milliseconds. */
const SETTLED_MS = 30_000;

async function main([command = 'run', ...rest]: readonly string[]): Promise<number> {
  ignoreInspectorSignal();
  switch (command) {
    case 'run':
      return run();
    case 'worker':
      return worker();
    case 'wait':
      return wait();
    case 'redirect':
      return redirect(rest);
    case 'help':
    case '--help':
      console.log(USAGE);
      return 0;
    default:
      console.error(`unknown command ${JSON.stringify(command)}\n\n${USAGE}`);
      return 2;
  }
}

async function wait(): Promise<number> {
  const problem = await waitUntilReady({ clock: systemClock });
  if (problem !== undefined) console.error(problem);
  return problem === undefined ? 0 : 1;
}

/** Its program is loaded here only: the init container needs it, the sidecar itself never does. */
async function redirect(args: readonly string[]): Promise<number> {
  const { runRedirect } = await import('./redirect/run.ts');
  return runRedirect(args, process.env);
}

/** What lives from `start` to the end of `stop`: one sidecar, or the primary of several processes. */
type Life = Pick<Sidecar, 'start' | 'stop'>;

/** The sidecar's life, from its environment to the last connection. */
async function run(): Promise<number> {
  const config = readConfig(process.env);
  const levelLog = new LevelLog(config.logLevel);
  const log = levelLog.logger({ name: 'sidecar' });
  crashOnUnexpected(log);
  const { ended, end } = ending();
  process.on('SIGTERM', end).on('SIGINT', end);
  const onFinish = (): void => end('finish');
  const life = await (config.cores > 1 ? onManyCores : onOneCore)(config, levelLog, onFinish);
  log.info(
    {
      service: `${config.namespace}/${config.service}`,
      pod: config.podName,
      node: process.version,
      style: config.style,
      cores: config.cores,
    },
    'starting',
  );
  await life.start();
  systemClock.setTimeout(() => settle(log), SETTLED_MS);

  const reason = await ended;
  process.on('SIGTERM', () => process.exit(143)).on('SIGINT', () => process.exit(130));
  const times = reason === 'finish' ? { minimumMs: 0, deadlineMs: FINISH_MS } : shutdownTimes(config);
  log.info({ reason, ...times }, 'shutting down');
  await life.stop(times);
  log.info({}, 'ended');
  return 0;
}

async function onOneCore(config: SidecarConfig, log: LevelLog, onFinish: () => void): Promise<Life> {
  const { sidecar, api } = await sidecarOf(config, log, { onFinish });
  return { start: () => sidecar.start(), stop: (times) => sidecar.stop(times).finally(() => api.close()) };
}

/** Loaded here only: most sidecars use one core, and should not pay for this. */
async function onManyCores(config: SidecarConfig, log: LevelLog, onFinish: () => void): Promise<Life> {
  const { Primary } = await import('./cores/primary.ts');
  const { clusterFork } = await import('./cores/worker-process.ts');
  return new Primary({ config, clock: systemClock, log, fork: clusterFork(), onFinish });
}

/** One of the processes that carry the traffic of a sidecar on many cores; its primary started it. */
async function worker(): Promise<number> {
  const { PrimaryLink } = await import('./cores/primary-link.ts');
  const config = readConfig(process.env);
  const levelLog = new LevelLog(config.logLevel, undefined, { worker: Number(process.env.MESH_WORKER) });
  const log = levelLog.logger({ name: 'sidecar' });
  crashOnUnexpected(log);
  // A signal to the whole group of processes is the primary's matter.
  process.on('SIGTERM', () => undefined).on('SIGINT', () => undefined);
  const primary = new PrimaryLink(process, levelLog, () => {
    log.error({}, 'the primary process is gone: this worker ends');
    process.exit(1);
  });
  const { sidecar } = await sidecarOf(config, levelLog, {
    onFinish: () => primary.finish(),
    adminPorts: false,
    busyElsewhere: () => primary.busy,
    siblings: primary,
  });
  await sidecar.start();
  primary.serve(sidecar);
  systemClock.setTimeout(() => settle(log), SETTLED_MS);
  await sidecar.stop(await primary.stopped);
  return 0;
}

async function sidecarOf(
  config: SidecarConfig,
  log: LevelLog,
  more: Pick<SidecarOptions, 'onFinish' | 'adminPorts' | 'busyElsewhere' | 'siblings'>,
): Promise<{ readonly sidecar: Sidecar; readonly api: KubeClient }> {
  const clusterConfig = await inClusterConfig({ ...process.env, MESH_KUBE_TOKEN_DIR: config.kubeTokenDir });
  const api = new KubeClient({
    config: clusterConfig,
    userAgent: 'mesh-sidecar',
    maxListBytes: MAX_LIST_BYTES,
  });
  const originalDestination = config.transparent ? await kernelOriginalDestination() : withoutRedirection;
  return {
    api,
    sidecar: new Sidecar({ config, api, clock: systemClock, log, originalDestination, ...more }),
  };
}

/** Makes the process smaller once it has started. Where that does not work nothing is lost but memory. */
function settle(log: Logger): void {
  releaseProgramPages().then(
    (releasedKb) => log.debug({ releasedKb }, 'pages of the start were given back'),
    (err: unknown) => log.debug({ err }, 'pages of the start cannot be given back'),
  );
}

/** A promise of why to end, and the function that ends; the first reason counts. */
function ending(): { readonly ended: Promise<string>; readonly end: (reason: string) => void } {
  let end: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (end = resolve));
  return { ended, end };
}

/** Whatever nobody expected leaves the process in a state nobody knows; such a process decides about no connection. */
function crashOnUnexpected(log: Logger): void {
  const die = (err: unknown): never => {
    log.error({ err }, 'unexpected fault: the sidecar ends');
    process.exit(1);
  };
  process.on('uncaughtException', die).on('unhandledRejection', die);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof SidecarConfigError ? error.message : error);
    process.exit(1);
  },
);

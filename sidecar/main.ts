import { inClusterConfig } from '#kube/in-cluster.ts';
import { KubeClient } from '#kube/client.ts';
import { systemClock } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';

import { LevelLog } from './admin/level-log.ts';
import { ConfigError, readConfig } from './config.ts';
import { kernelOriginalDestination } from './original-destination/kernel.ts';
import { withoutRedirection } from './original-destination/original-destination.ts';
import { releaseProgramPages } from './process/program-pages.ts';
import { Sidecar } from './process/sidecar.ts';
import { shutdownTimes } from './process/shutdown.ts';
import { waitUntilReady } from './process/wait.ts';

const USAGE = `mesh sidecar

Usage:
  sidecar [run]           serve this pod (the default); reads its settings from the environment
  sidecar wait            wait until the sidecar of this pod is ready, at most two minutes
  sidecar redirect ...    lead this pod's traffic to the sidecar; see redirect --help
`;

/** How long a sidecar that was told to finish lets open connections end, milliseconds. */
const FINISH_MS = 3_000;

/** When what only the start needed is given back, after the start, milliseconds. */
const SETTLED_MS = 30_000;

async function main([command = 'run', ...rest]: readonly string[]): Promise<number> {
  switch (command) {
    case 'run':
      return run();
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

/** The sidecar's life, from its environment to the last connection. */
async function run(): Promise<number> {
  const config = readConfig(process.env);
  const levelLog = new LevelLog(config.logLevel);
  const log = levelLog.logger({ name: 'sidecar' });
  dieOfTheUnexpected(log);
  const { ended, end } = ending();
  process.on('SIGTERM', end).on('SIGINT', end);
  const clusterConfig = await inClusterConfig({ ...process.env, MESH_KUBE_TOKEN_DIR: config.kubeTokenDir });
  const api = new KubeClient({ config: clusterConfig, userAgent: 'mesh-sidecar' });
  const originalDestination = config.transparent ? await kernelOriginalDestination() : withoutRedirection;
  const sidecar = new Sidecar({
    config,
    api,
    clock: systemClock,
    log: levelLog,
    originalDestination,
    onFinish: () => end('finish'),
  });
  log.info(
    {
      service: `${config.namespace}/${config.service}`,
      pod: config.podName,
      node: process.version,
      style: config.style,
    },
    'starting',
  );
  await sidecar.start();
  systemClock.setTimeout(() => settle(log), SETTLED_MS);

  const reason = await ended;
  process.on('SIGTERM', () => process.exit(143)).on('SIGINT', () => process.exit(130));
  const times = reason === 'finish' ? { minimumMs: 0, deadlineMs: FINISH_MS } : shutdownTimes(config);
  log.info({ reason, ...times }, 'shutting down');
  await sidecar.stop(times);
  api.close();
  log.info({}, 'ended');
  return 0;
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
function dieOfTheUnexpected(log: Logger): void {
  const die = (err: unknown): never => {
    log.error({ err }, 'unexpected fault: the sidecar ends');
    process.exit(1);
  };
  process.on('uncaughtException', die).on('unhandledRejection', die);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof ConfigError ? error.message : error);
    process.exit(1);
  },
);

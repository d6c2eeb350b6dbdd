import { existsSync } from 'node:fs';

import { InvalidArgumentError } from 'commander';
import type { Command as Cli } from 'commander';

import { parseUpstreams } from '#core/upstream.ts';
import type { Upstream } from '#core/upstream.ts';
import { systemClock } from '#kube/clock.ts';
import type { ClusterConfig } from '#kube/cluster-config.ts';
import { kubeconfig } from '#kube/kubeconfig.ts';
import { defaultDataFolder, kubeconfigIn } from '#standalone/dev/data-folder.ts';
import { Command } from '#standalone/run/command.ts';
import { Fault } from '#standalone/run/fault.ts';
import { MESH_NAMESPACE } from '#standalone/names.ts';

import { nameArgument, portArgument, secondsArgument } from './arguments.ts';
import { endSignal } from './signals.ts';

interface Options {
  readonly service: string;
  readonly namespace: string;
  readonly port?: number;
  readonly upstream: readonly Upstream[];
  readonly kubeconfig?: string;
  readonly wait: number;
}

/** `mesh run`: a process with a sidecar beside it. */
export function addRun(program: Cli, done: (code: number) => void): void {
  program
    .command('run')
    .description('Run a command as a service of the mesh, with a sidecar in this process.')
    .requiredOption('--service <name>', 'the service it is', nameArgument('service name'))
    .option(
      '--port <number>',
      'the port of 127.0.0.1 it listens on; leave it out for one that only calls others',
      portArgument,
    )
    .option(
      '--upstream <service:port>',
      'a local port that leads to a service, such as db:9191 or db.shop:9191; may be repeated',
      addUpstream,
      [],
    )
    .option('--namespace <name>', 'the namespace it lives in', nameArgument('namespace'), 'default')
    .option(
      '--wait <seconds>',
      'how long to wait for upstream services that are not there yet',
      secondsArgument,
      10_000,
    )
    .option(
      '--kubeconfig <file>',
      "the API server; default: $KUBECONFIG, else that of mesh dev, else kubectl's",
    )
    .argument('<command...>', 'the command, after --')
    .passThroughOptions()
    .action(async (command: readonly string[], options: Options) => done(await run(command, options)));
}

async function run(command: readonly string[], options: Options): Promise<number> {
  const { signalled, signal } = endSignal();
  const say = (sentence: string): void => void process.stderr.write(`mesh: ${sentence}\n`);
  const { service, namespace, port, upstream: upstreams, wait: waitMs } = options;
  const { joinMesh } = await import('#standalone/run/run.ts');
  const cluster = await apiServer(options.kubeconfig);
  const wanted = { service, namespace, port, upstreams, waitMs, meshNamespace: MESH_NAMESPACE };
  const running = await joinMesh(wanted, { cluster, clock: systemClock, say }, signal);
  try {
    if (signal.aborted) return 130;
    const child = await Command.start(command, {
      ...process.env,
      MESH_SERVICE: service,
      MESH_NAMESPACE: namespace,
    });
    void signalled.then((name) => child.signal(name));
    return await child.ended;
  } finally {
    await running.stop();
  }
}

async function apiServer(path: string | undefined): Promise<ClusterConfig> {
  const own = kubeconfigIn(defaultDataFolder());
  const file = path ?? (!process.env.KUBECONFIG && existsSync(own) ? own : undefined);
  try {
    return await kubeconfig(file === undefined ? {} : { path: file });
  } catch (error) {
    throw new Fault(
      `no API server is known: start one with mesh dev, or give --kubeconfig (${(error as Error).message})`,
    );
  }
}

function addUpstream(text: string, before: readonly Upstream[]): readonly Upstream[] {
  const { upstreams, faults } = parseUpstreams(text);
  if (faults.length > 0) throw new InvalidArgumentError(faults.join(' '));
  return [...before, ...upstreams];
}

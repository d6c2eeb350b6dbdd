import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { InvalidArgumentError, Option } from 'commander';
import type { Command as Cli } from 'commander';

import { parseUpstreams } from '#core/pod/upstream.ts';
import type { UpstreamSpec } from '#core/pod/upstream.ts';
import { systemClock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { defaultDataFolder, kubeconfigIn } from '#local/dev/data-folder.ts';
import { Command } from '#local/run/command.ts';
import { CliError } from '#local/cli-error.ts';
import { MESH_NAMESPACE } from '#local/dev/names.ts';

import { addressArgument, nameArgument, portArgument, secondsArgument } from './arguments.ts';
import { endSignal } from './signals.ts';

interface Options {
  readonly service: string;
  readonly namespace: string;
  readonly port?: number;
  readonly upstream: readonly UpstreamSpec[];
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly address?: string;
  readonly sidecarPort?: number;
  readonly meshNamespace: string;
  readonly wait: number;
}

const EXAMPLES = `
With mesh dev:
  mesh run --service db --port 9090 -- ./db --listen 127.0.0.1:9090
  mesh run --service web --port 8080 --upstream db:9191 -- ./web --db 127.0.0.1:9191

A machine outside a cluster whose mesh lets it join (docs/outside.md):
  mesh run --kubeconfig ~/.kube/config --namespace shop --service billing --port 8080 \\
    --sidecar-port 20000 --upstream db:5432 -- ./billing
`;

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
    .addOption(
      new Option(
        '--upstream <service:port>',
        'a local port that leads to a service, such as db:9191 or db.shop:9191; may be repeated',
      )
        .argParser(addUpstream)
        .default([], 'none'),
    )
    .option('--namespace <name>', 'the namespace it lives in', nameArgument('namespace'), 'default')
    .option(
      '--address <ip>',
      'where pods of the cluster reach this machine; default: as the operator sees it',
      addressArgument,
    )
    .option(
      '--sidecar-port <port>',
      'where pods reach the sidecar on this machine, for a firewall; default: any free port',
      portArgument,
    )
    .option(
      '--mesh-namespace <name>',
      'the namespace of the mesh itself',
      nameArgument('namespace'),
      MESH_NAMESPACE,
    )
    .addOption(
      new Option('--wait <seconds>', 'how long to wait for upstream services that are not there yet')
        .argParser(secondsArgument)
        .default(10_000, '10'),
    )
    .option(
      '--kubeconfig <file>',
      "the API server; default: $KUBECONFIG, else that of mesh dev, else kubectl's",
    )
    .option('--context <name>', "the kubeconfig's context; default: its current one")
    .argument('<command...>', 'the command, after --')
    .passThroughOptions()
    .addHelpText('after', EXAMPLES)
    .action(async (command: readonly string[], options: Options) => done(await run(command, options)));
}

async function run(command: readonly string[], options: Options): Promise<number> {
  const { signalled, signal } = endSignal();
  const say = (sentence: string): void => void process.stderr.write(`mesh: ${sentence}\n`);
  const { service, namespace, port, upstream: upstreams, wait: waitMs } = options;
  const { joinMesh } = await import('#local/run/run.ts');
  const cluster = await apiServer(options);
  const { address, sidecarPort, meshNamespace } = options;
  const wanted = { service, namespace, port, upstreams, waitMs, meshNamespace, address, sidecarPort };
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

async function apiServer({ kubeconfig: given, context }: Options): Promise<ClusterConfig> {
  // $KUBECONFIG may name several files, which are read as one.
  const named = given ?? process.env.KUBECONFIG;
  const file = named || usualKubeconfig();
  if (file === undefined)
    throw new CliError('no API server is known: start one with mesh dev, or give --kubeconfig');
  const path = file === process.env.KUBECONFIG ? {} : { path: file };
  try {
    return await kubeconfig({ ...path, ...(context === undefined ? {} : { context }) });
  } catch (error) {
    throw new CliError(`the kubeconfig ${file} is of no use: ${(error as Error).message}`);
  }
}

function usualKubeconfig(): string | undefined {
  const places = [kubeconfigIn(defaultDataFolder()), join(homedir(), '.kube', 'config')];
  return places.find((path) => existsSync(path));
}

function addUpstream(text: string, before: readonly UpstreamSpec[]): readonly UpstreamSpec[] {
  const { upstreams, faults } = parseUpstreams(text);
  if (faults.length > 0) throw new InvalidArgumentError(faults.join(' '));
  return [...before, ...upstreams];
}

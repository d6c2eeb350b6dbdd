import { performance } from 'node:perf_hooks';

import type { Command } from 'commander';

import { systemClock } from '#base/clock.ts';
import { jsonLog, silentLog } from '#base/log.ts';
import { defaultDataFolder } from '#local/dev/data-folder.ts';
import type { Dev } from '#local/dev/dev.ts';

import { portArgument } from './arguments.ts';
import { endSignal } from './signals.ts';

const DEFAULT_PORT = 7443;

interface Options {
  readonly data: string;
  readonly ephemeral?: boolean;
  readonly host: string;
  readonly port: number;
  readonly verbose?: boolean;
}

/** `mesh dev`: the whole control plane in this process. */
export function addDev(program: Command, done: (code: number) => void): void {
  program
    .command('dev')
    .description(
      'Run the mesh on this machine: a Kubernetes API, the operator and its webhooks, in one process.',
    )
    .option('--data <folder>', 'where objects are kept', defaultDataFolder())
    .option('--ephemeral', 'keep nothing: everything is gone when it ends')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'port of the API', portArgument, DEFAULT_PORT)
    .option('--verbose', 'write the logs of the API server and the operator')
    .action(async (options: Options) => done(await dev(options)));
}

async function dev({ data, ephemeral, host, port, verbose }: Options): Promise<number> {
  const began = performance.now();
  const { signalled } = endSignal();
  // Loaded here only: other commands do without the control plane.
  const { startDev } = await import('#local/dev/dev.ts');
  const log = verbose ? jsonLog('mesh-dev', 'info') : silentLog;
  const running = await startDev({
    folder: ephemeral ? undefined : data,
    host,
    port,
    clock: systemClock,
    log,
  });
  console.log(greeting(running, performance.now() - began, ephemeral ? undefined : data));
  await signalled;
  await running.stop();
  return 0;
}

function greeting({ api, kubeconfig }: Dev, tookMs: number, data: string | undefined): string {
  return `mesh dev is up at ${api.admin.server} (${(tookMs / 1000).toFixed(1)} s); ${data === undefined ? 'nothing is kept' : `objects are kept in ${data}`}.

  export KUBECONFIG=${kubeconfig}
  kubectl get intentions,meshservices --all-namespaces

Processes join with, each in a terminal of its own:

  mesh run --service db --port 9090 -- COMMAND
  mesh run --service web --port 8080 --upstream db:9191 -- COMMAND

Ctrl-C ends it.`;
}

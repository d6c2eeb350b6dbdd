import { Command, CommanderError } from 'commander';

import { PROXY_NAMES } from './proxies/proxy.ts';
import type { ProxyName } from './proxies/proxy.ts';
import { WORK_NAMES } from './work/workload.ts';
import type { WorkName } from './work/workload.ts';

export interface Options {
  readonly only: readonly ProxyName[];
  readonly work: readonly WorkName[];
  readonly rounds: number;
  /** Of each single measurement. */
  readonly seconds: number;
  /** Requests per second of the open loop, instead of what is found. */
  readonly rate?: number;
  /** True: to standard output. */
  readonly json?: string | true;
  readonly chart?: string;
}

/** The command line is not usable; the message is one sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const EXAMPLES = `
Each proxy stands between the same load and the same server on this machine's loopback: client -> proxy -> mutual TLS ->
proxy -> server. All take turns, round after round; the table shows medians, and the ratio of ours to the best peer.
Memory under bulk is measured by "bulk", which also checks every chunk that arrives; "many-streams" is for ours only.

Environment:
  MESH_BENCH_NODE   the Node that runs our proxies and the load (default: the one that runs this)
  MESH_CACHE_DIR    where the peers' programs are kept (default: ~/.cache/mesh)

Examples:
  npm run bench:dataplane                                    everything, about an hour
  npm run bench:dataplane -- --only mesh,haproxy             two proxies
  npm run bench:dataplane -- --work keep-alive --rounds 3 --seconds 10
  npm run bench:dataplane -- --rounds 1 --seconds 1          whether it works; the figures mean little
  npm run bench:dataplane -- --json figures.json --chart docs/images/dataplane.svg
  MESH_BENCH_NODE=/opt/node24/bin/node npm run bench:dataplane
`;

/**
 * Reads the command line.
 *
 * @returns the options, or the text that `--help` asks for
 * @throws UsageError
 */
export function parseOptions(args: readonly string[]): Options | { readonly help: string } {
  let help = '';
  const command = new Command('bench:dataplane')
    .description(
      'Our data plane beside other proxies: throughput, latency, connections, bulk, CPU and memory.',
    )
    .option('--only <names>', `some of ${PROXY_NAMES.join(',')}`)
    .option('--work <names>', `some of ${WORK_NAMES.join(',')}`)
    .option('--rounds <number>', 'how often everybody has a turn', '5')
    .option('--seconds <number>', 'how long each measurement takes', '4')
    .option('--rate <number>', "requests per second of the open loop (default: half of the best peer's rate)")
    .option('--json [file]', 'the whole table as JSON, to standard output or a file')
    .option('--chart <file>', 'a chart of the ratios, as SVG')
    .addHelpText('after', EXAMPLES)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => (help += text), writeErr: () => undefined });
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { help };
    const message = error.message.replace(/^error: /, '').replace(/\.$/, '');
    throw new UsageError(`${message}; --help shows what there is.`);
  }
  const given =
    command.opts<Record<'only' | 'work' | 'rounds' | 'seconds' | 'rate' | 'chart', string | undefined>>();
  const { json } = command.opts<{ json?: string | true }>();
  return {
    only: chosen('--only', given.only, PROXY_NAMES),
    work: chosen('--work', given.work, WORK_NAMES),
    rounds: whole('--rounds', given.rounds),
    seconds: whole('--seconds', given.seconds),
    ...(given.rate === undefined ? {} : { rate: whole('--rate', given.rate) }),
    ...(json === undefined ? {} : { json }),
    ...(given.chart === undefined ? {} : { chart: given.chart }),
  };
}

/** In the order of all, whatever the order they were written in. */
function chosen<T extends string>(flag: string, text: string | undefined, all: readonly T[]): readonly T[] {
  if (text === undefined) return all;
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !all.some((known) => known === name));
  if (unknown !== undefined)
    throw new UsageError(`${flag} ${JSON.stringify(unknown)} is unknown: write some of ${all.join(',')}.`);
  return all.filter((known) => names.includes(known));
}

function whole(flag: string, text = ''): number {
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new UsageError(
      `${flag} ${JSON.stringify(text)} is not a valid number: write a whole number above 0.`,
    );
  return Number(text);
}

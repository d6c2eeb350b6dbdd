import type { Servers } from '../machine/servers.ts';
import type { House } from '../machine/house.ts';
import { untilAnswered } from '../machine/ports.ts';
import type { Wrk } from '../machine/load-generator.ts';
import type { Figures } from '../metrics.ts';
import type { Pair, PairOptions, Proxy } from '../proxies/proxy.ts';

/** Names on the command line. */
export const WORK_NAMES = [
  'keep-alive',
  'open-loop',
  'connections',
  'bulk',
  'mixed',
  'memory',
  'many-streams',
] as const;
export type WorkName = (typeof WORK_NAMES)[number];

/** One proxy's turn at one workload. */
export interface Turn {
  readonly house: House;
  readonly servers: Servers;
  readonly proxy: Proxy;
  /** Of each single measurement. */
  readonly seconds: number;
  /** From 0. */
  readonly round: number;
  /** @throws Error with one sentence when this machine has none */
  readonly wrk: Wrk;
  /** Requests per second for the open loop. */
  readonly openRate: () => Promise<number>;
}

/** Measures one proxy once. */
export type Workload = (turn: Turn) => Promise<Figures>;

const HELLO = { origin: 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n', backend: 'H' } as const;

/** Before what counts, so that caches are filled and our code is compiled. */
export function warmUpSeconds(seconds: number): number {
  return Math.min(2, seconds);
}

/** Runs `use` with a pair of proxies before one of the servers, working, and stops them whatever happens. */
export async function withPair<T>(
  { proxy, servers }: Pick<Turn, 'proxy' | 'servers'>,
  server: 'origin' | 'backend',
  use: (pair: Pair) => Promise<T>,
  more: Omit<PairOptions, 'backend'> = {},
): Promise<T> {
  const pair = await proxy.start({ backend: servers[server], ...more });
  try {
    await untilAnswered(pair.port, HELLO[server], () => pair.requireAlive());
    const result = await use(pair);
    pair.requireAlive();
    return result;
  } catch (error) {
    // A proxy that has ended explains more than whatever failed because of it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    pair.requireAlive();
    throw error;
  } finally {
    await pair.stop();
  }
}

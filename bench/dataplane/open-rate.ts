import type { House } from './machine/house.ts';
import type { Wrk } from './machine/load-generator.ts';
import type { Servers } from './machine/servers.ts';
import type { MetricId } from './metrics.ts';
import type { Options } from './options.ts';
import type { Proxy } from './proxies/proxy.ts';
import type { Samples } from './report/samples.ts';
import { withPair } from './work/workload.ts';

/** What the best peer does at most in this run: with 32 connections or 256. */
const TOP: readonly MetricId[] = ['requests-32', 'requests-256'];

/**
 * The rate of the open loop: as told, or half of the best peer's top rate in this run, which is found now unless keep-alive
 * has found it.
 *
 * @throws Error when there is no peer to take it from
 */
export async function openRate(run: {
  readonly house: House;
  readonly servers: Servers;
  readonly wrk: Wrk;
  readonly proxies: readonly Proxy[];
  readonly samples: Samples;
  readonly options: Options;
}): Promise<number> {
  const { house, servers, wrk, samples, options } = run;
  if (options.rate !== undefined) return options.rate;
  const peers = run.proxies.filter(({ kind }) => kind === 'peer');
  const found: number[] = peers.flatMap(({ name }) => TOP.map((metric) => samples.median(name, metric) ?? 0));
  if (Math.max(0, ...found) === 0)
    for (const proxy of peers) {
      house.say(`looking for the top rate of ${proxy.name}`);
      const { seconds } = options;
      const { requestsPerSecond } = await withPair({ proxy, servers }, 'origin', ({ port }) =>
        wrk({ port, connections: 32, seconds }),
      );
      found.push(requestsPerSecond);
    }
  const top = Math.max(0, ...found);
  if (top === 0) throw new Error('without a peer there is no rate to take half of: give one with --rate');
  return Math.round(top / 2);
}

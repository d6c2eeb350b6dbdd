import { errorText } from '#base/error-text.ts';

import type { House } from './machine/house.ts';
import { unpackWrk } from './machine/load-generator.ts';
import { startServers } from './machine/servers.ts';
import type { Servers } from './machine/servers.ts';
import { METRICS, METRIC_IDS } from './metrics.ts';
import type { Figures } from './metrics.ts';
import type { Options } from './options.ts';
import { PROXIES } from './proxies/all.ts';
import type { Proxy, ProxyName } from './proxies/proxy.ts';
import { openRate } from './open-rate.ts';
import { figure } from './report/numbers.ts';
import { Samples } from './report/samples.ts';
import { rotated } from './report/statistics.ts';
import { verify } from './verify.ts';
import type { Verified } from './verify.ts';
import { WORKLOADS } from './work/all.ts';
import type { Turn, WorkName } from './work/workload.ts';

/** Something that was not measured, and why. */
interface Missing {
  readonly proxy: ProxyName;
  /** Absent when the proxy cannot be had at all. */
  readonly work?: WorkName;
  readonly round?: number;
  readonly reason: string;
}

export interface Outcome {
  readonly proxies: readonly (Proxy & { readonly verified?: Verified })[];
  readonly originIs: string;
  /** Of the open loop, requests per second; absent when it did not run. */
  readonly openRate?: number;
  readonly samples: Samples;
  readonly missing: readonly Missing[];
}

/** Gets the proxies, looks what they do, and gives each its turns. */
export async function runBenchmark(house: House, options: Options): Promise<Outcome> {
  const servers = await startServers(house);
  const missing: Missing[] = [];
  const proxies = await available(house, servers, options.only, missing);
  const wrk: Turn['wrk'] = await unpackWrk(house).catch((error: unknown) => () => {
    throw new Error(`there is no wrk to make the load: ${errorText(error)}`);
  });
  const samples = new Samples();
  let rate: Promise<number> | undefined;
  const common = {
    house,
    servers,
    seconds: options.seconds,
    wrk,
    openRate: () => (rate ??= openRate({ house, servers, wrk, proxies, samples, options })),
  };
  for (const work of options.work)
    for (let round = 0; round < options.rounds; round += 1)
      for (const proxy of rotated(proxies, round)) {
        const place = `${work} ${round + 1}/${options.rounds} ${proxy.name}`;
        const figures = await WORKLOADS[work]({ ...common, proxy, round }).catch((error: unknown) => {
          missing.push({ proxy: proxy.name, work, round: round + 1, reason: errorText(error) });
          house.say(`${place}: not measured, ${errorText(error)}`);
          return {};
        });
        samples.add(proxy.name, figures);
        if (Object.keys(figures).length > 0) house.say(`${place}: ${brief(figures)}`);
      }
  const { originIs } = servers;
  return { proxies, originIs, samples, missing, ...(rate ? { openRate: await rate } : {}) };
}

async function available(
  house: House,
  servers: Servers,
  names: readonly ProxyName[],
  missing: Missing[],
): Promise<Outcome['proxies']> {
  const proxies: (Proxy & { verified?: Verified })[] = [];
  for (const name of names) {
    try {
      const proxy = await PROXIES[name](house);
      if (proxy.kind === 'none') {
        proxies.push(proxy);
        continue;
      }
      const verified = await verify(house, servers, proxy);
      const { version, cipher, group } = verified.agreed;
      const sessions = verified.resumes ? 'resumes sessions' : 'no resumption';
      house.say(
        `${name} ${proxy.version}: ${version}, ${cipher}, ${group ?? ''}, ${sessions}; ${proxy.threads}`,
      );
      proxies.push({ ...proxy, verified });
    } catch (error) {
      missing.push({ proxy: name, reason: errorText(error) });
      house.say(`${name} is skipped: ${errorText(error)}`);
    }
  }
  return proxies;
}

function brief(figures: Figures): string {
  return METRIC_IDS.flatMap((id) => {
    const value = figures[id];
    return value === undefined
      ? []
      : [`${METRICS[id].title} ${figure(value)} ${METRICS[id].unit}`.replace(' /s', '/s').trim()];
  }).join('; ');
}

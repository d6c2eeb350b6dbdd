import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { silentLog } from '#base/log.ts';
import { INTENTIONS, NAMESPACES } from '#kube/types.ts';
import { MESH_NAMESPACE } from '#local/dev/names.ts';

import { Catalog } from '#sidecar/sources/catalog/catalog.ts';
import { PolicyWatch } from '#sidecar/sources/policy/policy-watch.ts';
import { Trust } from '#sidecar/sources/trust/trust.ts';

/**
 * How soon `mesh dev` gets a rule to everybody: the watches of many sidecars (the sidecar's own code, a connection each) on one
 * `mesh dev`, many intentions, and one that is flipped. Run with
 * `npx tsx bench/standalone.ts [--sidecars 200] [--intentions 1000] [--flips 50] [--namespaces 20]`. All sidecars are in this one process:
 * with one namespace it compiles every rule once for each of them, one after another.
 */
const { values } = parseArgs({
  options: {
    sidecars: { type: 'string', default: '200' },
    intentions: { type: 'string', default: '1000' },
    flips: { type: 'string', default: '50' },
    namespaces: { type: 'string', default: '20' },
  },
});
const [sidecars, intentions, flips] = [values.sidecars, values.intentions, values.flips].map(Number) as [
  number,
  number,
  number,
];
const PORT = '17599';
const namespaces = Array.from({ length: Number(values.namespaces) }, (_, index) => `shop-${index}`);

const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-'));
const dev = spawn(process.execPath, ['cli/mesh.mjs', 'dev', '--data', folder, '--port', PORT], {
  stdio: ['ignore', 'pipe', 'inherit'],
});

async function measure(): Promise<void> {
  const config = await kubeconfig({ path: join(folder, 'kubeconfig') });
  const api = new KubeClient({ config });
  const idleMb = residentMb();
  for (const name of namespaces) await api.create(NAMESPACES, { metadata: { name } });
  const began = performance.now();
  for (let index = 0; index < intentions; index++)
    await api.create(INTENTIONS, intention(of(index), `rule-${index}`, `source-${index}`, 'allow'));
  console.log(
    `${intentions} intentions created one after another, each through admission and onto the disk: ${((performance.now() - began) / intentions).toFixed(1)} ms each`,
  );

  const all = Array.from(
    { length: sidecars },
    (_, index) => new Watching(new KubeClient({ config }), of(index)),
  );
  await Promise.all(all.map((one) => one.ready()));
  console.log(`${sidecars} sidecars read them`);
  const times: number[] = [];
  for (let flip = 0; flip < flips; flip++) {
    const namespace = of(flip);
    const action = Math.floor(flip / namespaces.length) % 2 === 0 ? 'allow' : 'deny';
    const concerned = all.filter((one) => one.namespace === namespace);
    const at = performance.now();
    const seen = Promise.all(
      concerned.map((one) => one.decides(action === 'allow').then(() => times.push(performance.now() - at))),
    );
    await api.apply(INTENTIONS, intention(namespace, 'flipped', 'web', action), 'bench');
    await seen;
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.ceil(share * times.length) - 1] ?? Number.NaN).toFixed(0);
  console.log(
    `from the apply to the decision in a sidecar, ${times.length} times: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`,
  );
  console.log(`mesh dev: ${idleMb} MB at first, ${residentMb()} MB now (resident)`);
  await Promise.all(all.map((one) => one.stop()));
  api.close();
}

function of(index: number): string {
  return namespaces[index % namespaces.length] ?? '';
}

function intention(namespace: string, name: string, source: string, action: 'allow' | 'deny') {
  return {
    metadata: { name, namespace },
    spec: { source: { service: source }, destination: { service: 'db' }, action },
  };
}

function residentMb(): number {
  return Math.round(
    Number(execFileSync('ps', ['-o', 'rss=', '-p', String(dev.pid)], { encoding: 'utf8' })) / 1024,
  );
}

/** The part of a sidecar that watches. */
class Watching {
  readonly namespace: string;
  readonly #api: KubeClient;
  readonly #trust: Trust;
  readonly #policy: PolicyWatch;
  readonly #catalog: Catalog;

  constructor(api: KubeClient, namespace: string) {
    this.namespace = namespace;
    const service = this.#service();
    const watching = { api, clock: systemClock, log: silentLog };
    this.#api = api;
    this.#trust = new Trust(watching);
    this.#policy = new PolicyWatch({
      ...watching,
      trust: this.#trust,
      service,
      meshNamespace: namespaceName(MESH_NAMESPACE),
    });
    this.#catalog = new Catalog({ ...watching, meshNamespace: namespaceName(MESH_NAMESPACE) });
    this.#trust.start();
    this.#policy.start();
    this.#catalog.start();
  }

  #service() {
    return { namespace: namespaceName(this.namespace), service: serviceName('db') };
  }

  async ready(): Promise<void> {
    await this.#catalog.synced;
    await this.#until(() => this.#policy.ready);
  }

  /** Resolves when it decides so about the flipped intention. */
  decides(allow: boolean): Promise<void> {
    return this.#until(() => {
      const settings = this.#trust.current()?.settings;
      if (!settings) return false;
      const web = serviceSpiffeId(settings, { ...this.#service(), service: serviceName('web') });
      return this.#policy.decide(web, Date.now()).action === (allow ? 'allow' : 'deny');
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#trust.stop(), this.#policy.stop(), this.#catalog.stop()]);
    this.#api.close();
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        unsubscribe();
        resolve();
      };
      const unsubscribe = this.#policy.onChange(look);
      look();
    });
  }
}

try {
  await once(dev.stdout, 'data');
  await measure();
} finally {
  dev.kill();
  await once(dev, 'close');
  rmSync(folder, { recursive: true, force: true });
}

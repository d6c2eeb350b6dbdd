import type { BackingService } from '#core/model/mesh-service.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';

import { canonicalAddress } from './catalog-entry.ts';
import type { CatalogEntry } from './catalog-entry.ts';

/** A Kubernetes Service, and the service of the mesh whose pods stand behind it. */
export interface Backing {
  readonly entry: CatalogEntry;
  readonly service: BackingService;
}

/** All services of the mesh, found by name, by cluster IP, and by the name of a Kubernetes Service. */
export class CatalogIndex {
  readonly #entries = new Map<string, CatalogEntry>();
  readonly #byAddress = new Map<string, Set<string>>();
  readonly #byKubernetesService = new Map<string, Set<string>>();
  #headless = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Whether any service of the mesh has a headless Service, so that the address of a pod may mean it. */
  get hasHeadless(): boolean {
    return this.#headless > 0;
  }

  /** @param key `namespace/name` of the MeshService; without an entry it is removed */
  set(key: string, entry: CatalogEntry | undefined): void {
    const before = this.#entries.get(key);
    if (before === entry) return;
    if (before) this.#unlink(key, before);
    if (!entry) {
      this.#entries.delete(key);
      return;
    }
    this.#entries.set(key, entry);
    for (const service of entry.services) {
      for (const address of service.clusterIPs) add(this.#byAddress, address, key);
      add(this.#byKubernetesService, kubernetesKey(entry, service), key);
      if (service.headless) this.#headless += 1;
    }
  }

  byName({ namespace, service }: ServiceIdentity): CatalogEntry | undefined {
    return this.#entries.get(`${namespace}/${service}`);
  }

  byKey(key: string): CatalogEntry | undefined {
    return this.#entries.get(key);
  }

  /** The Service with this cluster IP. Two services of the mesh can claim one only for a moment; then the first by name has it. */
  byClusterIp(address: string): Backing | undefined {
    const wanted = canonicalAddress(address);
    const entry = this.#first(this.#byAddress.get(wanted));
    const service = entry?.services.find(({ clusterIPs }) => clusterIPs.includes(wanted));
    return entry && service && { entry, service };
  }

  byKubernetesService(namespace: string, name: string): Backing | undefined {
    const entry = this.#first(this.#byKubernetesService.get(`${namespace}/${name}`));
    const service = entry?.services.find((one) => one.name === name);
    return entry && service && { entry, service };
  }

  #first(keys: ReadonlySet<string> | undefined): CatalogEntry | undefined {
    if (!keys) return undefined;
    const [first, ...more] = keys;
    if (first === undefined) return undefined;
    return this.#entries.get(more.reduce((a, b) => (a < b ? a : b), first));
  }

  #unlink(key: string, entry: CatalogEntry): void {
    for (const service of entry.services) {
      for (const address of service.clusterIPs) remove(this.#byAddress, address, key);
      remove(this.#byKubernetesService, kubernetesKey(entry, service), key);
      if (service.headless) this.#headless -= 1;
    }
  }
}

function kubernetesKey({ identity }: CatalogEntry, { name }: BackingService): string {
  return `${identity.namespace}/${name}`;
}

function add(map: Map<string, Set<string>>, at: string, key: string): void {
  const keys = map.get(at);
  if (keys) keys.add(key);
  else map.set(at, new Set([key]));
}

function remove(map: Map<string, Set<string>>, at: string, key: string): void {
  const keys = map.get(at);
  keys?.delete(key);
  if (keys?.size === 0) map.delete(at);
}

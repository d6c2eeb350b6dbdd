import { canonicalAddress } from '#core/net/address.ts';
import { catalogEntryName } from '#core/model/catalog-entry-name.ts';
import type { CatalogAddress } from '#core/model/catalog-entry.ts';
import type { BackingService } from '#core/model/mesh-service.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';

import { AddressIndex } from './address-index.ts';
import type { KnownService } from './known-service.ts';

/** A Kubernetes Service, and the service of the mesh whose pods stand behind it. */
export interface Backing {
  readonly known: KnownService;
  readonly service: BackingService;
}

/** What an address means. */
export type Meaning =
  | { readonly kind: 'service'; readonly backing: Backing }
  /** This very pod, or process outside of pods. */
  | { readonly kind: 'pod'; readonly known: KnownService; readonly pod: CatalogAddress }
  /** It is of the mesh, and nobody can say whose. */
  | { readonly kind: 'ambiguous'; readonly reason: string }
  /** Nothing of the mesh. */
  | { readonly kind: 'outside' };

const OUTSIDE: Meaning = Object.freeze({ kind: 'outside' });

/** All services of the mesh, found by name, by cluster IP, and by the address of a pod. */
export class CatalogIndex {
  readonly #services = new Map<string, KnownService>();
  readonly #clusterIps = new AddressIndex();
  readonly #ambiguous = new AddressIndex();
  readonly #pods = new AddressIndex();
  readonly #disputed = new AddressIndex();

  get size(): number {
    return this.#services.size;
  }

  /** Addresses that mean something of the mesh. */
  get addresses(): number {
    return this.#clusterIps.size + this.#ambiguous.size + this.#pods.size + this.#disputed.size;
  }

  /** @param name of the catalog entry; without a service it is removed */
  set(name: string, service: KnownService | undefined): void {
    const before = this.#services.get(name);
    if (before === service) return;
    if (before) this.#each(before, (index, address) => index.delete(address, name));
    if (service) this.#services.set(name, service);
    else this.#services.delete(name);
    if (service) this.#each(service, (index, address) => index.add(address, name));
  }

  byName({ namespace, service }: ServiceIdentity): KnownService | undefined {
    return this.#services.get(catalogEntryName(namespace, service));
  }

  /** What a connection to an address means. Two services that both have a claim on it are refused, whatever came first. */
  meaning(address: string, port: number): Meaning {
    const wanted = canonicalAddress(address);
    const shared = this.#ambiguous.of(wanted);
    const owners = this.#clusterIps.of(wanted);
    if (shared.length > 0 || owners.length > 1) return ambiguous(wanted, [...owners, ...shared]);
    const owner = this.#services.get(owners[0] ?? '');
    const service = owner?.services.find(({ clusterIPs }) => clusterIPs.includes(wanted));
    if (owner && service) return { kind: 'service', backing: { known: owner, service } };
    return this.#podMeaning(wanted, port);
  }

  #podMeaning(address: string, port: number): Meaning {
    const disputed = this.#disputed.of(address);
    if (disputed.length > 0) return ambiguous(address, disputed);
    const found = this.#pods.of(address).flatMap((name) => {
      const known = this.#services.get(name);
      const pod = known?.addresses.find(
        (one) => one.address === address && (one.ports?.includes(port) ?? true),
      );
      return known && pod ? [{ name, known, pod }] : [];
    });
    const [first, ...more] = found;
    if (!first) return OUTSIDE;
    if (more.length > 0)
      return ambiguous(
        address,
        found.map(({ name }) => name),
      );
    return { kind: 'pod', known: first.known, pod: first.pod };
  }

  #each(service: KnownService, action: (index: AddressIndex, address: string) => void): void {
    for (const { clusterIPs } of service.services) for (const ip of clusterIPs) action(this.#clusterIps, ip);
    for (const { clusterIPs } of service.ambiguous) for (const ip of clusterIPs) action(this.#ambiguous, ip);
    for (const { address } of service.addresses) action(this.#pods, address);
    for (const address of service.disputed) action(this.#disputed, address);
  }
}

const NAMED = 3;

function ambiguous(address: string, names: readonly string[]): Meaning {
  const shown = [...new Set(names)].sort();
  const more = shown.length > NAMED ? `, and ${shown.length - NAMED} more` : '';
  return {
    kind: 'ambiguous',
    reason: `${address} is claimed by several services of the mesh (${shown.slice(0, NAMED).join(', ')}${more})`,
  };
}

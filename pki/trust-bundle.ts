import type { X509Certificate } from 'node:crypto';

import type { MeshConfig } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';

import { pathFault } from './certificate-path.ts';
import { certificatesPem, readCertificates } from './pem.ts';
import { signingFault } from './svid-constraints.ts';

/** Whom this mesh trusts: root certificates, each for one trust domain only. */
export class TrustBundle {
  readonly #domains: ReadonlyMap<TrustDomain, readonly X509Certificate[]>;

  constructor(domains: ReadonlyMap<TrustDomain, readonly X509Certificate[]>) {
    this.#domains = new Map([...domains].map(([domain, roots]) => [domain, distinct(roots)]));
  }

  /**
   * A bundle of one trust domain.
   *
   * @throws RangeError when the PEM cannot be read.
   */
  static of(domain: TrustDomain, rootsPem: string): TrustBundle {
    return new TrustBundle(new Map([[domain, readCertificates(rootsPem)]]));
  }

  /**
   * The roots of all trust domains together. A path to one of them says nothing about a name: only for the `ca` of a TLS context
   * whose every peer goes through {@link fault} before a byte is exchanged, and to show to people. Who must be of one trust domain
   * is verified with {@link only}.
   */
  get rootsOfAllDomains(): readonly X509Certificate[] {
    return distinct([...this.#domains.values()].flat());
  }

  /** {@link rootsOfAllDomains} as PEM. */
  get pem(): string {
    return certificatesPem(this.rootsOfAllDomains);
  }

  /** A bundle of the roots of one trust domain and of no other: for a peer that must be of that one. */
  only(domain: TrustDomain): TrustBundle {
    return new TrustBundle(new Map([[domain, this.rootsOf(domain)]]));
  }

  rootsOf(domain: TrustDomain): readonly X509Certificate[] {
    return this.#domains.get(domain) ?? [];
  }

  get trustDomains(): readonly TrustDomain[] {
    return [...this.#domains.keys()];
  }

  /** Whether both trust the same roots for the same trust domains, whatever their order. */
  equals(other: TrustBundle): boolean {
    return this.#fingerprint() === other.#fingerprint();
  }

  /**
   * Why a certificate is not trusted to speak for a trust domain; undefined when it is: some path leads from it over
   * `intermediates` to a root of that very domain, see `certificate-path.ts`. TLS has then still to check the purpose; a root of a
   * federated domain can never sign for ours.
   *
   * @param now Unix time, milliseconds
   */
  fault(
    leaf: X509Certificate,
    domain: TrustDomain,
    {
      now,
      intermediates = [],
    }: { readonly now: number; readonly intermediates?: readonly X509Certificate[] },
  ): string | undefined {
    const roots = this.rootsOf(domain);
    if (roots.length === 0) return `no root certificate is known for trust domain ${domain}`;
    return pathFault(leaf, { domain, roots, intermediates, now });
  }

  #fingerprint(): string {
    return [...this.#domains]
      .flatMap(([domain, roots]) => roots.map((root) => `${domain} ${root.fingerprint256}`))
      .sort()
      .join('\n');
  }
}

function distinct(roots: readonly X509Certificate[]): readonly X509Certificate[] {
  return [...new Map(roots.map((root) => [root.fingerprint256, root])).values()];
}

/**
 * The trust bundle that MeshConfig publishes: the mesh's own roots, and those of federated trust domains: written in its spec, or
 * fetched into its status. What cannot be read, and each certificate that cannot be a root, is left out and named in `faults`, so
 * that one broken entry takes nobody else's trust away. Only the spec says which trust domains there are: what the status still has of one
 * that was taken away counts for nothing.
 */
export function trustBundleOf(config: MeshConfig): {
  readonly bundle: TrustBundle;
  readonly faults: readonly string[];
} {
  const faults: string[] = [];
  const domains = new Map<TrustDomain, readonly X509Certificate[]>();
  const add = (what: string, name: string, pem: string) => {
    try {
      const domain = trustDomain(name);
      const roots = readCertificates(pem).filter((certificate, index) => {
        const fault = signingFault(certificate);
        if (fault !== undefined) faults.push(`${what}: certificate ${index + 1} cannot be a root: ${fault}`);
        return fault === undefined;
      });
      domains.set(domain, [...(domains.get(domain) ?? []), ...roots]);
    } catch (error) {
      faults.push(`${what}: ${(error as Error).message}`);
    }
  };
  const own = meshSettings(config.spec).trustDomain;
  for (const root of config.status?.roots ?? []) add(`root ${root.id.slice(0, 16)}`, own, root.pem);
  for (const { trustDomain: name, bundle: written, bundleEndpoint } of config.spec?.federation ?? []) {
    const what = `federation: ${name}`;
    const bundle = bundleEndpoint ? fetchedBundle(config, name) : written;
    // A federated entry must not be a second way into our own trust domain.
    if (name === own) faults.push(`${what} is this mesh's own trust domain`);
    else if (bundle === undefined) faults.push(`${what}: no bundle is known yet`);
    else add(what, name, bundle);
  }
  return { bundle: new TrustBundle(domains), faults };
}

/** PEM; undefined before the first was fetched. */
function fetchedBundle({ status }: MeshConfig, name: string): string | undefined {
  return status?.federation?.find((fetched) => fetched.trustDomain === name)?.bundle;
}

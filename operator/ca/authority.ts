import type { RootStatus } from '#core/model/mesh-config.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';
import type { Clock } from '#kube/clock.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, privateKeyPem, sha256Hex, spkiDer } from '#pki/keys.ts';
import type { KeyPair } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { readSvid, validity } from '#pki/svid.ts';
import type { Svid } from '#pki/svid.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import type { CaProvider, CertificateRequest, RequestedKey, SignedCertificate } from './provider.ts';
import { selfCheckFault } from './self-check.ts';

export interface AuthorityParts {
  readonly provider: CaProvider;
  readonly clock: Clock;
  /** What holds now; only the leaf TTL may change while the operator runs. */
  readonly settings: () => MeshSettings;
}

/** A workload's new certificate. Times in milliseconds since 1970. */
export interface IssuedLeaf {
  /** Leaf, then intermediates. */
  readonly chainPem: string;
  readonly spiffeId: SpiffeId;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Hex, upper case. */
  readonly serial: string;
  /** SHA-256 of the DER certificate, lower-case hex. */
  readonly sha256: string;
}

/** Certificate and key of an HTTPS server. */
export interface ServingIdentity {
  readonly certChainPem: string;
  readonly keyPem: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** How long the operator's own certificates live; each replica makes its own and renews it in memory. */
const OWN_TTL_MS = 7 * 24 * 3600 * 1000;

/** What the operator knows of certificates: it asks the provider, and hands nothing out that it has not looked at again. */
export class Authority {
  readonly #parts: AuthorityParts;
  #roots: readonly RootStatus[] = [];
  #bundle = new TrustBundle(new Map());

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
  }

  /**
   * Makes the provider ready and reads its roots. Everything else works only after it.
   *
   * @throws CaStateError when the provider's state is broken.
   */
  async start(signal?: AbortSignal): Promise<void> {
    await this.#parts.provider.start(signal);
    await this.refresh();
  }

  /** Reads the provider's roots again. */
  async refresh(): Promise<void> {
    const found = await this.#parts.provider.roots();
    const roots = found.flatMap(({ pem, active }) =>
      readCertificates(pem).map((certificate) => ({
        id: sha256Hex(certificate.raw),
        pem,
        active,
        notAfter: rfc3339(validity(certificate).notAfter),
      })),
    );
    this.#bundle = TrustBundle.of(this.#parts.settings().trustDomain, found.map(({ pem }) => pem).join(''));
    this.#roots = roots;
  }

  /** For MeshConfig's status and the webhooks' caBundle. Empty before {@link start}. */
  roots(): readonly RootStatus[] {
    return this.#roots;
  }

  /** {@link roots} as PEM. */
  get bundlePem(): string {
    return this.#bundle.pem;
  }

  /** Whom the operator itself believes when it talks to sidecars. */
  get bundle(): TrustBundle {
    return this.#bundle;
  }

  /** Why signing would not work now, for readiness; undefined when all is well. */
  async fault(): Promise<string | undefined> {
    if (this.#roots.length === 0) return 'the certificate authority is not ready yet';
    return this.#parts.provider.fault();
  }

  /**
   * A leaf for a service. Whether the asker may have it was decided before.
   *
   * @param key the workload's, proven by its request
   */
  async signLeaf(who: ServiceIdentity, key: RequestedKey): Promise<IssuedLeaf> {
    const { leafTtlMs } = this.#parts.settings();
    return this.#workload(who, key, leafTtlMs);
  }

  /** A certificate and key for an HTTPS server of the operator. */
  async issueServing(dnsNames: readonly string[], ttlMs = OWN_TTL_MS): Promise<ServingIdentity> {
    const keys = await generateKeys();
    const signed = await this.#sign({ kind: 'serving', ...requested(keys), dnsNames, ttlMs });
    const [leaf] = readCertificates(signed.leafPem);
    if (!leaf) throw new Error('the provider returned no certificate');
    return {
      certChainPem: signed.leafPem + signed.intermediatesPem,
      keyPem: privateKeyPem(keys.privateKey),
      ...validity(leaf),
    };
  }

  /** The operator's own identity towards sidecars: the service `mesh-operator` of the mesh's namespace. */
  async issueIdentity(who: ServiceIdentity, ttlMs = OWN_TTL_MS): Promise<Svid> {
    const keys = await generateKeys();
    const leaf = await this.#workload(who, requested(keys), ttlMs);
    return readSvid({ certChainPem: leaf.chainPem, keyPem: privateKeyPem(keys.privateKey) });
  }

  /** Lets go of what the provider holds. Idempotent. */
  async stop(): Promise<void> {
    await this.#parts.provider.stop();
  }

  async #workload(who: ServiceIdentity, { spki, csrPem }: RequestedKey, ttlMs: number): Promise<IssuedLeaf> {
    const settings = this.#parts.settings();
    const spiffeId = serviceSpiffeId(settings, who);
    const { trustDomain } = settings;
    const signed = await this.#sign({ kind: 'workload', spki, csrPem, ttlMs, who, spiffeId, trustDomain });
    const [leaf] = readCertificates(signed.leafPem);
    if (!leaf) throw new Error('the provider returned no certificate');
    return {
      chainPem: signed.leafPem + signed.intermediatesPem,
      spiffeId,
      ...validity(leaf),
      serial: leaf.serialNumber,
      sha256: sha256Hex(leaf.raw),
    };
  }

  async #sign(request: CertificateRequest): Promise<SignedCertificate> {
    const { provider, clock, settings } = this.#parts;
    const signed = await provider.sign(request);
    const fault = selfCheckFault({
      request,
      signed,
      bundle: this.#bundle,
      trustDomain: settings().trustDomain,
      now: clock.now(),
    });
    if (fault)
      throw new Error(
        `the ${provider.name} authority made a certificate that must not be handed out: ${fault}`,
      );
    return signed;
  }
}

function requested(keys: KeyPair): RequestedKey {
  return { spki: spkiDer(keys.publicKey), csrPem: createCsr(keys) };
}

/** RFC 3339 in UTC, whole seconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

import type { CaKeyType } from '#core/model/ca-settings.ts';
import type { MeshConfigStatus, RootStatus } from '#core/model/mesh-config.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';
import type { Clock } from '#kube/clock.ts';
import { createCsr } from '#pki/csr.ts';
import { caKeyType, generateKeys, privateKeyPem, sha256Hex, spkiDer } from '#pki/keys.ts';
import type { KeyPair } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { readSvid, validity } from '#pki/svid.ts';
import type { Svid } from '#pki/svid.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { rfc3339 } from '../rfc3339.ts';
import { CaStateError } from './provider.ts';
import type { CaProvider, CertificateRequest, RequestedKey, SignedCertificate } from './provider.ts';
import { selfCheckFault } from './self-check.ts';

/** Where a provider keeps the root in use and, while that is replaced, the next one. */
export interface RootSlots {
  /** A new instance for the root in use. */
  current(): CaProvider;
  /** A new instance for the next root; without `make` one that must be there already. */
  next(make: boolean): CaProvider;
}

export interface AuthorityParts {
  readonly provider: CaProvider;
  /** Absent where the provider's root is replaced elsewhere. */
  readonly slots?: RootSlots;
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

/** Who signs. */
interface Signing {
  readonly provider: CaProvider;
  /** Whether it is a rotation's new root, in its own place. */
  readonly isNext: boolean;
  /** Its root as signed by the one before it; empty outside a rotation. */
  readonly crossSignedPem: string;
}

/** The root that signs. */
export interface ActiveRoot {
  readonly id: string;
  /** Undefined for a kind that the builtin authority does not make. */
  readonly keyType: CaKeyType | undefined;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What is published of the roots: MeshConfig's status. */
export type PublishedRoots = Pick<MeshConfigStatus, 'roots' | 'rotation'>;

/** What the operator knows of certificates: it asks the provider, and hands nothing out that it has not looked at again. */
export class Authority {
  readonly #parts: AuthorityParts;
  readonly #listeners = new Set<() => void>();
  #signing: Signing;
  #roots: readonly RootStatus[] = [];
  #bundle = new TrustBundle(new Map());
  #lost: string | undefined;
  #following: Promise<void> = Promise.resolve();

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
    this.#signing = { provider: parts.provider, isNext: false, crossSignedPem: '' };
  }

  /**
   * Makes the provider ready and reads its roots. Everything else works only after it.
   *
   * @throws CaStateError when the provider's state is broken.
   */
  async start(signal?: AbortSignal): Promise<void> {
    await this.#signing.provider.start(signal);
    await this.refresh();
  }

  /** Reads the provider's roots again. */
  async refresh(): Promise<void> {
    const found = await this.#signing.provider.roots();
    this.#publish(found.map(({ pem, active }) => ({ ...rootStatus(pem), active })));
  }

  /**
   * Does as the MeshConfig says: believes the roots that are published, and signs with the one that is active. In every replica
   * this is how a rotation takes effect. Never rejects: what fails is in {@link fault}, and is tried again with the next change.
   */
  follow(published: PublishedRoots | undefined): Promise<void> {
    this.#following = this.#following.then(() => this.#follow(published));
    return this.#following;
  }

  /** Calls `listener` whenever other roots are believed, or another one signs. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For MeshConfig's status and the webhooks' caBundle. Empty before {@link start}. */
  roots(): readonly RootStatus[] {
    return this.#roots;
  }

  /** The root that signs; undefined before {@link start}. Times in milliseconds since 1970. */
  get activeRoot(): ActiveRoot | undefined {
    const active = this.#roots.find((root) => root.active);
    const [certificate] = active ? readCertificates(active.pem) : [];
    if (!active || !certificate) return undefined;
    return { id: active.id, keyType: caKeyType(certificate.publicKey), ...validity(certificate) };
  }

  /** Whether roots are replaced here, and not where the provider keeps them. */
  get rotates(): boolean {
    return this.#parts.slots !== undefined;
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
    return this.#lost ?? this.#signing.provider.fault();
  }

  /**
   * Has the root that signs sign another one, see {@link CaProvider.crossSign}.
   *
   * @throws Error where the provider cannot
   */
  async crossSign(rootPem: string, signal?: AbortSignal): Promise<string> {
    const { provider } = this.#signing;
    if (!provider.crossSign) throw new Error(`the ${provider.name} provider signs no other roots`);
    return provider.crossSign(rootPem, signal);
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
    await this.#following;
    await this.#signing.provider.stop();
  }

  async #follow(published: PublishedRoots | undefined): Promise<void> {
    const { roots = [], rotation } = published ?? {};
    const active = roots.find((root) => root.active);
    if (!this.#parts.slots || !active) return;
    const crossSignedPem = rotation?.to === active.id ? (rotation.crossSigned ?? '') : '';
    try {
      await this.#signWith(active.id, { crossSignedPem, isRotating: rotation !== undefined });
      this.#lost = undefined;
    } catch (error) {
      this.#lost = `the root that signs (${active.id.slice(0, 12)}) cannot be used: ${(error as Error).message}`;
      return;
    }
    if (!sameRoots(roots, this.#roots)) this.#publish(roots);
  }

  /** @throws CaStateError when none of the two places has that root */
  async #signWith(
    rootId: string,
    { crossSignedPem, isRotating }: { readonly crossSignedPem: string; readonly isRotating: boolean },
  ): Promise<void> {
    const before = this.#signing;
    // When a rotation is over the next root is in the place of the other, and its own place is empty.
    if ((!before.isNext || isRotating) && (await holds(before.provider, rootId))) {
      this.#signing = { ...before, crossSignedPem };
      return;
    }
    const found = await this.#find(rootId);
    this.#signing = { ...found, crossSignedPem };
    await before.provider.stop();
  }

  async #find(rootId: string): Promise<Omit<Signing, 'crossSignedPem'>> {
    const { slots } = this.#parts;
    const faults: string[] = [];
    for (const isNext of [false, true]) {
      const provider = isNext ? slots!.next(false) : slots!.current();
      try {
        await provider.start(AbortSignal.timeout(SLOT_MS));
        if (await holds(provider, rootId)) return { provider, isNext };
      } catch (error) {
        faults.push((error as Error).message);
      }
      await provider.stop();
    }
    throw new CaStateError(faults[0] ?? 'no Secret holds its key');
  }

  #publish(roots: readonly RootStatus[]): void {
    this.#bundle = TrustBundle.of(this.#parts.settings().trustDomain, roots.map(({ pem }) => pem).join(''));
    this.#roots = roots;
    for (const listener of this.#listeners) listener();
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
    const { clock, settings } = this.#parts;
    if (this.#lost !== undefined) throw new Error(this.#lost);
    const { provider, crossSignedPem } = this.#signing;
    const made = await provider.sign(request);
    const signed = { ...made, intermediatesPem: made.intermediatesPem + crossSignedPem };
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

/** How long a Secret may take to be read. */
const SLOT_MS = 10_000;

async function holds(provider: CaProvider, rootId: string): Promise<boolean> {
  const roots = await provider.roots();
  return roots.some(({ pem }) => readCertificates(pem).some(({ raw }) => sha256Hex(raw) === rootId));
}

function sameRoots(some: readonly RootStatus[], others: readonly RootStatus[]): boolean {
  const text = (roots: readonly RootStatus[]): string =>
    roots.map(({ id, active }) => `${id} ${active}`).join('\n');
  return text(some) === text(others);
}

function requested(keys: KeyPair): RequestedKey {
  return { spki: spkiDer(keys.publicKey), csrPem: createCsr(keys) };
}

/** A root as MeshConfig's status tells of it, not active. */
export function rootStatus(pem: string): RootStatus {
  const [certificate] = readCertificates(pem);
  if (!certificate) throw new RangeError('there is no certificate in it');
  const notAfter = rfc3339(validity(certificate).notAfter);
  return { id: sha256Hex(certificate.raw), pem, active: false, notAfter };
}

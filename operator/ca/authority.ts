import type { X509Certificate } from 'node:crypto';

import { CA_DEFAULTS } from '#core/model/ca-settings.ts';
import type { AuthorityChoice, CaKeyType } from '#core/model/ca-settings.ts';
import type { MeshConfigStatus, RootStatus } from '#core/model/mesh-config.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { rfc3339 } from '#base/times.ts';
import { createCsr } from '#pki/csr.ts';
import { caKeyType, generateKeys, privateKeyPem, sha256Hex, spkiDer } from '#pki/keys.ts';
import type { KeyPair } from '#pki/keys.ts';
import { certificatesPem, readCertificates } from '#pki/pem.ts';
import { hidingKey, readSvid, validity } from '#pki/svid.ts';
import type { Svid } from '#pki/svid.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import type { CaProvider, CaRoot, CertificateRequest, RequestedKey, SignedCertificate } from './provider.ts';
import { findRoot, holds, keyOf, slotsOf } from './root-search.ts';
import type { Found, Slot } from './root-search.ts';
import type { RootSlots } from './root-slots.ts';
import { selfCheckFault } from './self-check.ts';

export interface AuthorityDeps {
  /** Signs as long as nobody trusts any root: it makes the first one, where it makes roots. */
  readonly provider: CaProvider;
  /** What `provider` was made of; default the builtin one. */
  readonly choice?: AuthorityChoice;
  readonly slots: RootSlots;
  readonly clock: Clock;
  /** What holds now; only the leaf TTL may change while the operator runs. */
  readonly settings: () => MeshSettings;
}

/** A workload's new certificate. Times as Unix time in milliseconds. */
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
  /** Unix time, milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** How long the operator's own certificates live; each replica makes its own and renews it in memory. */
const OWN_TTL_MS = 7 * 24 * 3600 * 1000;

/** Who signs. */
interface Signing extends Found {
  /** Its root as signed by the one before it; empty outside a rotation. */
  readonly crossSignedPem: string;
}

/** The root that signs. */
export interface ActiveRoot {
  readonly id: string;
  /** Undefined for a kind that the builtin authority does not make. */
  readonly keyType: CaKeyType | undefined;
  /** See {@link CaRoot.replaceable}. */
  readonly replaceable: boolean;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What is published of the roots: MeshConfig's status. */
export type PublishedRoots = Pick<MeshConfigStatus, 'roots' | 'rotation' | 'authority'>;

/** What the operator knows of certificates: it asks the provider, and hands nothing out that it has not looked at again. */
export class Authority {
  readonly #deps: AuthorityDeps;
  readonly #listeners = new Set<() => void>();
  #signing: Signing;
  #roots: readonly RootStatus[] = [];
  #replaceable = false;
  #bundle = new TrustBundle(new Map());
  #intermediates: readonly X509Certificate[] = [];
  #lost: string | undefined;
  #following: Promise<void> = Promise.resolve();
  #again: Timer | undefined;
  #againMs = FIRST_RETRY_MS;
  readonly #stopping = new AbortController();

  constructor(deps: AuthorityDeps) {
    this.#deps = deps;
    const choice = deps.choice ?? { provider: CA_DEFAULTS.provider };
    this.#signing = { provider: deps.provider, slot: { choice, isNext: false }, crossSignedPem: '' };
  }

  /**
   * Finds the root that is published as active, or where none is, makes the first provider ready and reads its roots. Everything
   * else works only after it. Where a published root cannot be used now, {@link lost} says why, and it is tried again: workloads
   * go on with what they have, and only an operator that runs can put another root in its place.
   *
   * @throws CaStateError where none is published and people must act before the first one can be
   */
  async start(signal?: AbortSignal, published?: PublishedRoots): Promise<void> {
    if (published?.roots?.some((root) => root.active)) {
      await this.follow(published, signal);
      signal?.throwIfAborted();
      if (this.#lost !== undefined) this.#publish(published.roots);
      return;
    }
    const { provider } = this.#signing;
    await provider.start(signal);
    const found = await provider.roots();
    this.#replaceable = isReplaceable(found);
    this.#publish(found.map(({ pem, active }) => ({ ...rootStatus(pem), active })));
  }

  /**
   * Does as the MeshConfig says: trusts the roots that are published, and signs with the one that is active. In every replica
   * this is how a rotation takes effect. Never rejects: what fails is in {@link fault}, and is tried again.
   *
   * @param signal gives up looking for the root; default: {@link stop} does
   */
  follow(published: PublishedRoots | undefined, signal = this.#stopping.signal): Promise<void> {
    this.#again?.cancel();
    this.#following = this.#following.then(() => this.#follow(published, signal));
    return this.#following;
  }

  /** Calls `listener` whenever other roots are trusted, or another one signs, or one signs again. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For MeshConfig's status and the webhooks' caBundle. Empty before {@link start}. */
  roots(): readonly RootStatus[] {
    return this.#roots;
  }

  /** The root that signs; undefined before {@link start}. Times as Unix time in milliseconds. */
  get activeRoot(): ActiveRoot | undefined {
    const active = this.#roots.find((root) => root.active);
    const [certificate] = active ? readCertificates(active.pem) : [];
    if (!active || !certificate) return undefined;
    const keyType = caKeyType(certificate.publicKey);
    return { id: active.id, keyType, replaceable: this.#replaceable, ...validity(certificate) };
  }

  /** Whose root it is that signs. */
  get choice(): AuthorityChoice {
    return this.#signing.slot.choice;
  }

  /** What stands between the root that signs and what was signed last; empty where the root itself signs. */
  get intermediates(): readonly X509Certificate[] {
    return this.#intermediates;
  }

  /** {@link roots} as PEM. */
  get bundlePem(): string {
    return certificatesPem(this.#bundle.rootsOf(this.#deps.settings().trustDomain));
  }

  /** Whom the operator itself trusts when it talks to sidecars. */
  get bundle(): TrustBundle {
    return this.#bundle;
  }

  /** Why signing would not work now, for readiness; undefined when all is well. */
  async fault(): Promise<string | undefined> {
    if (this.#roots.length === 0) return 'the certificate authority is not ready yet';
    return this.#lost ?? this.#signing.provider.fault();
  }

  /** Why the root that signs cannot be used at all; undefined where it can, as far as is known. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /**
   * Has the root that signs sign another one, see {@link CaProvider.crossSign}.
   *
   * @returns undefined where it cannot, and where what comes of it does not lead from that root to one that workloads trust: an
   *   authority elsewhere may sign with the new one already
   */
  async crossSign(rootPem: string, signal?: AbortSignal): Promise<string | undefined> {
    const crossSignedPem = await this.#signing.provider.crossSign?.(rootPem, signal);
    const [root] = readCertificates(rootPem);
    const [first, ...intermediates] = readCertificates(crossSignedPem ?? '');
    if (!root || !first?.publicKey.equals(root.publicKey)) return undefined;
    const { clock, settings } = this.#deps;
    const path = { now: clock.now(), intermediates };
    return this.#bundle.fault(first, settings().trustDomain, path) === undefined ? crossSignedPem : undefined;
  }

  /**
   * A leaf for a service. Whether the asker may have it was decided before.
   *
   * @param key the workload's, proven by its request
   */
  async signLeaf(who: ServiceIdentity, key: RequestedKey): Promise<IssuedLeaf> {
    const { leafTtlMs } = this.#deps.settings();
    return this.#workload(who, key, leafTtlMs);
  }

  /** A certificate and key for an HTTPS server of the operator. */
  async issueServing(dnsNames: readonly string[], ttlMs = OWN_TTL_MS): Promise<ServingIdentity> {
    const keys = await generateKeys();
    const signed = await this.#sign({ kind: 'serving', ...requested(keys), dnsNames, ttlMs });
    const [leaf] = readCertificates(signed.leafPem);
    if (!leaf) throw new Error('the provider returned no certificate');
    return hidingKey({
      certChainPem: signed.leafPem + signed.intermediatesPem,
      keyPem: privateKeyPem(keys.privateKey),
      ...validity(leaf),
    });
  }

  /** The operator's own identity towards sidecars: the service `mesh-operator` of the mesh's namespace. */
  async issueIdentity(who: ServiceIdentity, ttlMs = OWN_TTL_MS): Promise<Svid> {
    const keys = await generateKeys();
    const leaf = await this.#workload(who, requested(keys), ttlMs);
    return readSvid({ certChainPem: leaf.chainPem, keyPem: privateKeyPem(keys.privateKey) });
  }

  /** Lets go of what the provider holds. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the operator ends'));
    await this.#following;
    this.#again?.cancel();
    await this.#signing.provider.stop();
  }

  async #follow(published: PublishedRoots | undefined, signal?: AbortSignal): Promise<void> {
    const { roots = [], rotation } = published ?? {};
    const active = roots.find((root) => root.active);
    if (!published || !active) return;
    const crossSignedPem = rotation?.to === active.id ? (rotation.crossSigned ?? '') : '';
    const wasLost = this.#lost !== undefined;
    try {
      await this.#signWith(
        active.id,
        slotsOf(published, this.#deps.choice),
        { crossSignedPem, isRotating: rotation !== undefined },
        signal,
      );
      this.#replaceable = isReplaceable(await this.#signing.provider.roots());
      this.#lost = undefined;
      this.#againMs = FIRST_RETRY_MS;
    } catch (error) {
      this.#lost = `the root that signs (${active.id.slice(0, 12)}) cannot be used: ${(error as Error).message}`;
      if (!this.#stopping.signal.aborted && !signal?.aborted) this.#followLater(published);
      return;
    }
    if (wasLost || !sameRoots(roots, this.#roots)) this.#publish(roots);
  }

  #followLater(published: PublishedRoots): void {
    // Of several that failed one after the other, the last one is tried again.
    this.#again?.cancel();
    this.#again = this.#deps.clock.setTimeout(() => void this.follow(published), this.#againMs);
    this.#againMs = Math.min(this.#againMs * 2, LAST_RETRY_MS);
  }

  /** @throws Error when no place has that root, or none that has it can be reached now */
  async #signWith(
    rootId: string,
    slots: readonly Slot[],
    { crossSignedPem, isRotating }: { readonly crossSignedPem: string; readonly isRotating: boolean },
    signal?: AbortSignal,
  ): Promise<void> {
    const before = this.#signing;
    // When a rotation is over the next root is in the place of the other, and its own place is empty.
    const places = slots.filter(({ isNext }) => !isNext || isRotating).map(keyOf);
    if (places.includes(keyOf(before.slot)) && (await holds(before.provider, rootId))) {
      this.#signing = { ...before, crossSignedPem };
      return;
    }
    const found = await findRoot(rootId, slots, this.#deps.slots, signal);
    this.#signing = { ...found, crossSignedPem };
    await before.provider.stop();
  }

  #publish(roots: readonly RootStatus[]): void {
    this.#bundle = TrustBundle.of(this.#deps.settings().trustDomain, roots.map(({ pem }) => pem).join(''));
    this.#roots = roots;
    for (const listener of this.#listeners) listener();
  }

  async #workload(who: ServiceIdentity, { spki, csrPem }: RequestedKey, ttlMs: number): Promise<IssuedLeaf> {
    const settings = this.#deps.settings();
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
    const { clock, settings } = this.#deps;
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
    this.#intermediates = readCertificates(made.intermediatesPem);
    return signed;
  }
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

function isReplaceable(roots: readonly CaRoot[]): boolean {
  return roots.some(({ active, replaceable }) => active && replaceable === true);
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

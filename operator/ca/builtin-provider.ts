import type { CaKeyType } from '#core/model/ca-settings.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isAlreadyExists, isApiAway, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { retryUntil } from '#base/retry-until.ts';
import { rfc3339 } from '#base/times.ts';
import { SECRETS } from '#kube/types.ts';
import type { Secret } from '#kube/types.ts';
import { generateAuthorityKeys, privateKeyPem } from '#pki/keys.ts';
import { ROOT_LIFE_MS, issueCrossSigned, issueLeaf, issueRoot, issueServing } from '#pki/profile.ts';

import { CA_SECRET_NAME, brokenSecret, caSecret, readCaSecret } from './builtin-state.ts';
import type { StoredAuthority } from './builtin-state.ts';
import { CaStateError } from './provider.ts';
import type { CaProvider, CaRoot, CertificateRequest, SignedCertificate } from './provider.ts';

export interface BuiltinProviderDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** The mesh's own namespace. */
  readonly namespace: string;
  readonly trustDomain: TrustDomain;
  /** What takes the Secret with it when it is deleted: the chart's ClusterRole. */
  readonly owner?: OwnerReference;
  /**
   * Roots that workloads already trust (MeshConfig `status.roots`). When there are some and the Secret is gone, its key
   * is lost, and a new root would silently cut every workload off; so that is refused.
   */
  readonly publishedRoots?: () => Promise<number>;
  /** Where root and key are; default {@link CA_SECRET_NAME}. */
  readonly secretName?: string;
  /** What a root that is made is like; default EC P-256 for ten years. */
  readonly newRoot?: () => { readonly keyType: CaKeyType; readonly rootTtlMs: number };
}

const DEFAULT_ROOT = { keyType: 'ec-p256', rootTtlMs: ROOT_LIFE_MS } as const;

/** The mesh's own authority: the key of a root, or of an intermediate under an offline one, in a Secret of the mesh's namespace. */
export class BuiltinProvider implements CaProvider {
  readonly name = 'builtin';
  readonly #deps: BuiltinProviderDeps;
  readonly #secretName: string;
  #stored: StoredAuthority | undefined;

  constructor(deps: BuiltinProviderDeps) {
    this.#deps = deps;
    this.#secretName = deps.secretName ?? CA_SECRET_NAME;
  }

  /**
   * Reads the root, or makes it with one create: of two replicas that race, the server lets one win and the other reads the
   * winner's. Waits for an API server that is not there.
   */
  async start(signal?: AbortSignal): Promise<void> {
    this.#stored ??= await retryUntil(
      () => this.#load(),
      'the certificate authority waits for the API server',
      {
        ...this.#deps,
        signal,
        isTransient: isApiAway,
      },
    );
  }

  roots(): Promise<readonly CaRoot[]> {
    const { rootPem, intermediatesPem } = this.#ready();
    return Promise.resolve([{ pem: rootPem, active: true, replaceable: intermediatesPem === '' }]);
  }

  /** What is there must be right; where nothing is, a root can be made. */
  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { trustDomain, clock } = this.#deps;
    const secret = await this.#get().catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    if (!secret) return;
    const { signer } = await readCaSecret(secret, trustDomain, clock.now());
    if (signer.notAfter <= clock.now())
      throw brokenSecret(secret, `root.crt ended on ${rfc3339(signer.notAfter)}`);
  }

  async sign(request: CertificateRequest, signal?: AbortSignal): Promise<SignedCertificate> {
    signal?.throwIfAborted();
    const { signer, intermediatesPem } = this.#ready();
    const life = { now: this.#deps.clock.now(), ttlMs: request.ttlMs };
    const leafPem =
      request.kind === 'workload'
        ? await issueLeaf(signer, { ...request, ...life })
        : await issueServing(signer, { ...request, ...life });
    return { leafPem, intermediatesPem };
  }

  /** Compares with the Secret: a replica that signs with a root the others do not have must not stay unnoticed. */
  async fault(): Promise<string | undefined> {
    if (!this.#stored) return 'the certificate authority is not ready yet';
    const { namespace, trustDomain, clock, log } = this.#deps;
    let secret: Secret;
    try {
      secret = await this.#get();
    } catch (error) {
      // An API server that is away takes nothing from us: the key is in memory.
      return isNotFound(error)
        ? `Secret ${namespace}/${this.#secretName} is gone; restore it, or ask for a rotation (spec.ca.rotation.request)`
        : this.#endFault();
    }
    try {
      const stored = await readCaSecret(secret, trustDomain, clock.now());
      if (stored.signer.certificatePem === this.#stored.signer.certificatePem) return this.#endFault();
      if (stored.rootPem === this.#stored.rootPem) {
        // Another intermediate under the same root: whoever trusts one trusts the other.
        log.info(
          { secret: `${namespace}/${this.#secretName}` },
          'signs with the new intermediate certificate',
        );
        this.#stored = stored;
        return undefined;
      }
      return `Secret ${namespace}/${this.#secretName} holds another root than workloads trust; put the old one back, or ask for a rotation (spec.ca.rotation.request)`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #endFault(): string | undefined {
    const { signer, intermediatesPem } = this.#ready();
    if (this.#deps.clock.now() <= signer.notAfter) return undefined;
    const what = intermediatesPem === '' ? 'root' : 'intermediate';
    return `the ${what} certificate has ended, on ${rfc3339(signer.notAfter)}, and no other has taken its place yet`;
  }

  /** Below it comes the new root, and below that may come an intermediate: two authorities before the leaf. */
  async crossSign(newRootPem: string, signal?: AbortSignal): Promise<string | undefined> {
    signal?.throwIfAborted();
    const { signer, intermediatesPem } = this.#ready();
    if ((signer.pathLength ?? Infinity) < 2) return undefined;
    return (await issueCrossSigned(signer, newRootPem, this.#deps.clock.now())) + intermediatesPem;
  }

  /** Forgets the key. */
  stop(): Promise<void> {
    this.#stored = undefined;
    return Promise.resolve();
  }

  async #load(): Promise<StoredAuthority> {
    const { trustDomain, clock } = this.#deps;
    let secret: Secret;
    try {
      secret = await this.#get();
    } catch (error) {
      if (!isNotFound(error)) throw error;
      secret = await this.#create();
    }
    return readCaSecret(secret, trustDomain, clock.now());
  }

  async #create(): Promise<Secret> {
    const { api, clock, log, namespace, trustDomain, owner, publishedRoots, newRoot } = this.#deps;
    if (((await publishedRoots?.()) ?? 0) > 0) {
      throw new CaStateError(
        `Secret ${namespace}/${this.#secretName} is gone, but workloads trust its root. Restore it from a backup, ` +
          'or ask for a rotation (spec.ca.rotation.request): then a new root takes its place, and no pod is cut off.',
      );
    }
    const { keyType, rootTtlMs } = newRoot?.() ?? DEFAULT_ROOT;
    const keys = await generateAuthorityKeys(keyType);
    const certificatePem = await issueRoot(keys, trustDomain, clock.now(), rootTtlMs);
    try {
      const made = await api.create(
        SECRETS,
        caSecret(
          namespace,
          { certificatePem, keyPem: privateKeyPem(keys.privateKey) },
          owner,
          this.#secretName,
        ),
      );
      log.info(
        { secret: `${namespace}/${this.#secretName}`, trustDomain, keyType },
        'made a new root certificate',
      );
      return made;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return this.#get();
    }
  }

  #get(): Promise<Secret> {
    return this.#deps.api.get(SECRETS, { name: this.#secretName, namespace: this.#deps.namespace });
  }

  #ready(): StoredAuthority {
    if (!this.#stored) throw new Error('the certificate authority is used before start() or after stop()');
    return this.#stored;
  }
}

import type { TrustDomain } from '#core/spiffe-id.ts';
import { generateKeys, privateKeyPem } from '#pki/keys.ts';
import { issueLeaf, issueRoot, issueServing, readSigner } from '#pki/profile.ts';
import type { Signer } from '#pki/profile.ts';

import type { CaProvider, CaRoot, CertificateRequest, SignedCertificate } from './provider.ts';

/** Stands for whatever holds the key: a device, a service. */
export interface KeyHolder {
  /** The one signer of a trust domain, made when it is first asked for. */
  signer(domain: TrustDomain): Promise<Signer>;
}

/** The worked example of docs/ca-providers.md. */
export class ExampleProvider implements CaProvider {
  readonly name = 'example';
  readonly #holder: KeyHolder;
  readonly #domain: TrustDomain;
  readonly #now: () => number;
  #signer: Signer | undefined;

  constructor(holder: KeyHolder, domain: TrustDomain, now = Date.now) {
    this.#holder = holder;
    this.#domain = domain;
    this.#now = now;
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#signer = await this.#holder.signer(this.#domain);
  }

  async check(): Promise<void> {
    await this.#holder.signer(this.#domain);
  }

  async roots(): Promise<readonly CaRoot[]> {
    return [{ pem: this.#ready().certificatePem, active: true }];
  }

  async sign(request: CertificateRequest, signal?: AbortSignal): Promise<SignedCertificate> {
    signal?.throwIfAborted();
    const order = { ...request, now: this.#now() };
    const leafPem =
      order.kind === 'workload'
        ? await issueLeaf(this.#ready(), order)
        : await issueServing(this.#ready(), order);
    return { leafPem, intermediatesPem: '' };
  }

  async fault(): Promise<string | undefined> {
    if (!this.#signer) return 'the example authority is not ready yet';
    try {
      await this.#holder.signer(this.#domain);
      return undefined;
    } catch (error) {
      return `the example authority cannot sign: ${(error as Error).message}`;
    }
  }

  async stop(): Promise<void> {
    this.#signer = undefined;
  }

  #ready(): Signer {
    if (!this.#signer) throw new Error('the example authority is used before start() or after stop()');
    return this.#signer;
  }
}

/** A key holder in memory, which replicas share. */
export class MemoryKeyHolder implements KeyHolder {
  /** While set, it cannot be reached. */
  away = false;
  keyPem = '';
  readonly #now: () => number;
  #made: Promise<Signer> | undefined;

  constructor(now = Date.now) {
    this.#now = now;
  }

  signer(domain: TrustDomain): Promise<Signer> {
    if (this.away) return Promise.reject(new Error('the key holder is away'));
    return (this.#made ??= this.#make(domain));
  }

  async #make(domain: TrustDomain): Promise<Signer> {
    const keys = await generateKeys();
    this.keyPem = privateKeyPem(keys.privateKey);
    return readSigner(await issueRoot(keys, domain, this.#now()), this.keyPem);
  }
}

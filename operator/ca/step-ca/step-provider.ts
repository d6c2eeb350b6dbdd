import type { StepCaSettings } from '#core/model/ca-providers.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { retryUntil } from '#base/retry-until.ts';
import { isApiAway } from '#kube/errors.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { leafCommonName } from '#pki/profile.ts';
import { validity } from '#pki/svid.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import type { Credentials } from '../credentials.ts';
import { UnreachableError } from '../https-client.ts';
import { CaStateError } from '../provider.ts';
import type { CaProvider, CaRoot, CertificateRequest, SignedCertificate } from '../provider.ts';
import { selfCheckFault } from '../self-check.ts';
import { StepCaClient, StepCaError } from './step-client.ts';
import { readProvisionerKey, signToken, thumbprint } from './step-token.ts';
import type { ProvisionerKey } from './step-token.ts';

export interface StepCaProviderDeps {
  readonly settings: StepCaSettings;
  readonly credentials: Credentials;
  readonly trustDomain: TrustDomain;
  /** Host names of the operator's Service. */
  readonly servingNames: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

interface Ready {
  readonly key: ProvisionerKey;
  readonly kid: string;
  readonly roots: readonly CaRoot[];
}

const PROBE_TTL_MS = 15 * 60_000;

/**
 * step-ca as the authority, over a JWK provisioner: a token signed by us names what the certificate must say, the workload's own
 * request proves its key, and the provisioner's template makes the certificate of both.
 */
export class StepCaProvider implements CaProvider {
  readonly name = 'step-ca';
  readonly #deps: StepCaProviderDeps;
  readonly #client: StepCaClient;
  #ready: Ready | undefined;
  /** When the intermediate that signed last ends, Unix time, milliseconds. */
  #issuerEnds = Infinity;
  #stopped = false;
  /** Ends a start that is under way. */
  readonly #ending = new AbortController();

  constructor(deps: StepCaProviderDeps) {
    this.#deps = deps;
    this.#client = new StepCaClient(deps.settings, deps.clock);
  }

  /** Signs one certificate for nobody, since that alone shows that key, provisioner and template are right. */
  async start(given?: AbortSignal): Promise<void> {
    const signal = given ? AbortSignal.any([given, this.#ending.signal]) : this.#ending.signal;
    await retryUntil(() => this.#begin(signal), 'the certificate authority waits for step-ca', {
      ...this.#deps,
      signal,
      isTransient,
    }).catch((error: unknown) => {
      throw error instanceof StepCaError
        ? new CaStateError(`the mesh's certificate authority cannot start: ${error.message}`)
        : error;
    });
  }

  /** As {@link start}, but at once or not at all; step-ca keeps the one certificate in its books. */
  check(signal: AbortSignal): Promise<void> {
    return this.#begin(signal);
  }

  roots(): Promise<readonly CaRoot[]> {
    return this.#ready
      ? Promise.resolve(this.#ready.roots)
      : Promise.reject(new Error('the certificate authority is used before start()'));
  }

  async sign(request: CertificateRequest, signal?: AbortSignal): Promise<SignedCertificate> {
    if (!this.#ready || this.#stopped)
      throw new Error('the certificate authority is used before start() or after stop()');
    return this.#sign(this.#ready, request, signal);
  }

  async fault(): Promise<string | undefined> {
    const { clock, settings } = this.#deps;
    if (!this.#ready || this.#stopped) return 'the certificate authority is not ready yet';
    if (this.#issuerEnds <= clock.now()) return 'the intermediate certificate of step-ca has ended';
    try {
      const unwell = await this.#client.healthFault();
      if (unwell) return unwell;
      const found = await this.#client.provisionerKey(settings.provisioner);
      if (!found || thumbprint(found) !== this.#ready.key.thumbprint)
        return `step-ca has no JWK provisioner ${settings.provisioner} with the operator's key any more`;
      const published = await this.#client.roots();
      return this.#ready.roots.every(({ pem }) => published.includes(pem))
        ? undefined
        : 'step-ca does not have the roots any more that workloads trust: ask for a rotation (spec.ca.rotation.request), which takes up its new one, or put the old one back';
    } catch (error) {
      return (error as Error).message;
    }
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#ending.abort(new Error('the certificate authority was stopped'));
    this.#ready = undefined;
    this.#client.close();
    return Promise.resolve();
  }

  async #begin(signal: AbortSignal | undefined): Promise<void> {
    const { settings, credentials } = this.#deps;
    const unwell = await this.#client.healthFault(signal);
    if (unwell) throw new UnreachableError(unwell);
    const { 'provisioner-key': text } = await credentials.read(['provisioner-key'], signal);
    const key = readProvisionerKey(text, credentials.where);
    const found = await this.#client.provisionerKey(settings.provisioner, signal);
    if (!found)
      throw new CaStateError(`step-ca has no JWK provisioner ${settings.provisioner} with an EC key`);
    if (thumbprint(found) !== key.thumbprint)
      throw new CaStateError(
        `${credentials.where} holds another key than that of provisioner ${settings.provisioner}`,
      );
    const pems = await this.#client.roots(signal);
    const start = { key, kid: found.kid, roots: pems.map((pem) => ({ pem, active: false })) };
    const active = await this.#probe(start, signal);
    const others = start.roots.filter(({ pem }) => pem !== active);
    this.#ready = { ...start, roots: [{ pem: active, active: true }, ...others] };
  }

  /** @returns the root that signs now */
  async #probe(start: Ready, signal: AbortSignal | undefined): Promise<string> {
    const { servingNames: dnsNames, trustDomain, clock } = this.#deps;
    const keys = await generateKeys();
    const key = { spki: spkiDer(keys.publicKey), csrPem: createCsr(keys) };
    const request = { kind: 'serving' as const, ...key, ttlMs: PROBE_TTL_MS, dnsNames };
    const signed = await this.#sign(start, request, signal);
    const look = { request, signed, trustDomain, now: clock.now() };
    const bundle = (pem: string) => TrustBundle.of(trustDomain, pem);
    const fault = selfCheckFault({ ...look, bundle: bundle(start.roots.map(({ pem }) => pem).join('')) });
    if (fault)
      throw new CaStateError(
        `step-ca makes certificates that are not as asked for: ${fault}. Is the provisioner’s template the one of the documentation?`,
      );
    const active = start.roots.find(({ pem }) => !selfCheckFault({ ...look, bundle: bundle(pem) }));
    if (!active) throw new CaStateError('step-ca signs with no single one of its roots');
    return active.pem;
  }

  async #sign(
    { key, kid }: Ready,
    request: CertificateRequest,
    signal: AbortSignal | undefined,
  ): Promise<SignedCertificate> {
    const { settings, clock } = this.#deps;
    const now = clock.now();
    if (this.#issuerEnds <= now) throw new Error('the intermediate certificate of step-ca has ended');
    const host = settings.tlsServerName ?? new URL(settings.address).hostname;
    const claims = {
      ...{ issuer: settings.provisioner, audience: `https://${host}/1.0/sign`, use: request.kind },
      ...(request.kind === 'workload'
        ? { subject: leafCommonName(request.who, request.trustDomain), names: [request.spiffeId] }
        : { subject: request.dnsNames.find((name) => name.length <= 64) ?? 'mesh', names: request.dnsNames }),
    };
    const notAfter = Math.min(now + request.ttlMs, this.#issuerEnds);
    const token = signToken(key, kid, claims, now);
    const signed = await this.#client.sign({ csrPem: request.csrPem, token, notAfter }, signal);
    const [issuer] = readCertificates(signed.intermediatesPem);
    if (issuer) this.#issuerEnds = validity(issuer).notAfter;
    return signed;
  }
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof UnreachableError || (error instanceof StepCaError && error.transient) || isApiAway(error)
  );
}

import { randomBytes } from 'node:crypto';

import type { MeshSettings } from '#core/model/mesh-settings.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { KubeObject } from '#core/resource.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { KubeApi, ObjectName, ResourceType } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound, KubeConnectionError, KubeError } from '#kube/errors.ts';
import { errorText } from '#base/error-text.ts';
import { rfc3339 } from '#base/times.ts';
import { MESH_SERVICES, PODS } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';
import { checkCsr } from '#pki/csr-check.ts';

import type { Authority, IssuedLeaf } from '../ca/authority.ts';
import { claimOf } from '../resources/member.ts';
import type { MemberRules } from '../resources/member.ts';
import { networkOf } from '#core/net/network-of.ts';
import { SigningAudit } from './audit.ts';
import type { AuditDeps, RequestTrace } from './audit.ts';
import { firstRefusal } from './checks.ts';
import type { Callers } from './pod-checks.ts';
import { canonicalAddress } from '#core/net/address.ts';
import { POD_CHECKS, sourceAddressFault, sourceAddressUnknown } from './pod-checks.ts';
import { FailureDelays } from './failure-delays.ts';
import type { FailureDelayLimits } from './failure-delays.ts';
import { REASONS, answer } from './refusal.ts';
import type { SigningRefusal, SigningRefusalResponse } from './refusal.ts';
import { readBearer, readBody } from './request.ts';
import { ReviewGate } from './review-gate.ts';
import type { ReviewGateDeps, ReviewGateLimits } from './review-gate.ts';
import type { SigningBody } from './request.ts';
import { claimedService, SERVICE_CHECKS } from './service-checks.ts';
import { TokenBuckets } from '#base/token-buckets.ts';
import type { Caller } from './token-checks.ts';
import { readClaims } from './token-claims.ts';
import type { UncheckedClaims } from './token-claims.ts';
import { TokenReviewer } from './token-reviewer.ts';

export interface SigningDeps extends AuditDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly authority: Pick<Authority, 'signLeaf' | 'roots' | 'bundlePem'>;
  readonly settings: () => MeshSettings;
  readonly meshNamespace: string;
  /** `log` where the network changes source addresses between pods and the operator. Default `enforce`. */
  readonly sourceAddressCheck?: 'enforce' | 'log';
  /** Default `pods`. */
  readonly callers?: Callers;
  /** Whether a pod must have an address, see `MemberRules`. Default `required`. */
  readonly address?: MemberRules['address'];
  readonly limits?: Partial<SigningLimits>;
  /** See {@link ReviewGateDeps.isExpected}. Default: every caller is expected. */
  readonly isExpected?: ReviewGateDeps['isExpected'];
}

export interface SigningLimits {
  /** Requests worked on at once; more are sent away for a moment. */
  readonly concurrent: number;
  readonly addressBurst: number;
  readonly addressPerSecond: number;
  readonly podBurst: number;
  readonly podPerSecond: number;
  /** Addresses, and pods, that are remembered. */
  readonly maxKeys: number;
  /** For each question to the API server. */
  readonly apiTimeoutMs: number;
  /** For whoever shows tokens that are refused. */
  readonly failures: Omit<FailureDelayLimits, 'maxKeys'>;
  readonly reviews: ReviewGateLimits;
}

/** An address may be a whole node's, where the network hides pods behind it; a pod renews every few seconds at the very most. */
const LIMITS: SigningLimits = {
  concurrent: 64,
  addressBurst: 200,
  addressPerSecond: 20,
  podBurst: 20,
  podPerSecond: 1,
  maxKeys: 16_384,
  apiTimeoutMs: 5_000,
  failures: { free: 5, firstMs: 1_000, longestMs: 60_000 },
  // Pods that the operator has not heard of yet: those of the last moment.
  reviews: { unexpectedAtOnce: 8, unexpectedBurst: 100, unexpectedPerSecond: 20 },
};

export interface SignRequest {
  readonly sourceAddress: string;
  /** The header, whole. */
  readonly authorization: string | undefined;
  /** Reads the body, at most `MAX_BODY_BYTES` of it; asked only when the address is within its limit. */
  readonly body: () => Promise<Uint8Array | SigningRefusal>;
}

export interface SignResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** A token that could be right, with what it says about itself. */
interface ShownToken {
  readonly token: string;
  readonly audience: string;
  readonly claims: UncheckedClaims;
}

/** Asks every question there is about a request for a certificate, and signs when every answer is right. */
export class SigningService {
  readonly #deps: SigningDeps;
  readonly #limits: SigningLimits;
  readonly #audit: SigningAudit;
  readonly #reviewer: TokenReviewer;
  readonly #addresses: TokenBuckets;
  readonly #pods: TokenBuckets;
  readonly #failures: FailureDelays;
  readonly #gate: ReviewGate;
  #busy = 0;

  constructor(deps: SigningDeps) {
    this.#deps = deps;
    this.#limits = { ...LIMITS, ...deps.limits };
    const { addressBurst, addressPerSecond, podBurst, podPerSecond, maxKeys } = this.#limits;
    const { failures, reviews } = this.#limits;
    this.#audit = new SigningAudit(deps);
    this.#reviewer = new TokenReviewer(deps);
    this.#addresses = new TokenBuckets({ burst: addressBurst, perSecond: addressPerSecond, maxKeys });
    this.#pods = new TokenBuckets({ burst: podBurst, perSecond: podPerSecond, maxKeys });
    this.#failures = new FailureDelays({ ...failures, maxKeys });
    this.#gate = new ReviewGate({ isExpected: () => true, ...deps, limits: reviews });
  }

  /** Whether a network has to wait because its tokens were refused: its connections need not even begin. */
  isBarred(network: string): boolean {
    return this.#failures.waitMs(network, this.#deps.clock.now()) > 0;
  }

  /** Never throws: what goes wrong is in the log, the asker gets an answer that gives nothing away. */
  async sign(request: SignRequest): Promise<SignResponse> {
    const begun = performance.now();
    const trace: RequestTrace = {
      requestId: randomBytes(6).toString('hex'),
      sourceAddress: canonicalAddress(request.sourceAddress),
    };
    let outcome: IssuedLeaf | SigningRefusal;
    let error: unknown;
    try {
      outcome = await this.#admit(request, trace);
    } catch (thrown) {
      error = thrown;
      outcome = failure(thrown);
    }
    const seconds = (performance.now() - begun) / 1000;
    if ('reason' in outcome) {
      this.#audit.refused(trace, outcome, seconds, error);
      return answer(outcome, trace.requestId) satisfies SigningRefusalResponse;
    }
    this.#audit.issued(trace, outcome, seconds);
    return {
      status: 200,
      headers: {},
      body: {
        certificate: outcome.chainPem,
        bundle: this.#deps.authority.bundlePem,
        spiffeId: outcome.spiffeId,
        notAfter: rfc3339(outcome.notAfter),
      },
    };
  }

  /**
   * Cheap questions first, and no byte of the body for whoever shows no token that could be right; a place among the busy ones only
   * once the body has arrived, so that slow senders hold none.
   */
  async #admit(request: SignRequest, trace: RequestTrace): Promise<IssuedLeaf | SigningRefusal> {
    const wait = this.#addresses.take(trace.sourceAddress, this.#deps.clock.now());
    if (wait > 0)
      return { reason: 'rate-address', message: 'too many requests from this address', retryAfterMs: wait };
    const token = this.#token(request, trace);
    if ('reason' in token) return token;
    const bytes = await request.body();
    if ('reason' in bytes) return bytes;
    if (this.#busy >= this.#limits.concurrent)
      return { reason: 'busy', message: 'too many requests at once' };
    this.#busy += 1;
    try {
      const body = readBody(bytes);
      return 'reason' in body ? body : await this.#decide(token, body, trace);
    } finally {
      this.#busy -= 1;
    }
  }

  /** The token, as far as it can be looked at without asking anybody. */
  #token({ authorization }: SignRequest, { sourceAddress }: RequestTrace): ShownToken | SigningRefusal {
    const now = this.#deps.clock.now();
    const network = networkOf(sourceAddress);
    const wait = this.#failures.waitMs(network, now);
    if (wait > 0)
      return {
        reason: 'rate-failures',
        message: 'too many tokens from this address were refused',
        retryAfterMs: wait,
      };
    const bearer = readBearer(authorization);
    const audience = `mesh-ca.${this.#deps.settings().trustDomain}`;
    const claims = 'reason' in bearer ? bearer : readClaims(bearer.token, { audience, now });
    if ('reason' in claims || 'reason' in bearer) {
      this.#failures.failed(network, now);
      return claims as SigningRefusal;
    }
    return { token: bearer.token, audience, claims };
  }

  /** Whom the API server says the token belongs to. */
  async #caller(
    { token, audience, claims }: ShownToken,
    { sourceAddress }: RequestTrace,
  ): Promise<Caller | SigningRefusal> {
    const asked = await this.#gate.review(claims, sourceAddress, () =>
      this.#reviewer.caller(token, audience, this.#deadline()),
    );
    if ('waitMs' in asked)
      return {
        reason: 'rate-unexpected',
        message: 'too many tokens of pods that the operator does not know',
        retryAfterMs: asked.waitMs,
      };
    const network = networkOf(sourceAddress);
    if (!('reason' in asked.result)) this.#failures.succeeded(network);
    else if (REASONS[asked.result.reason] === 'unauthenticated')
      this.#failures.failed(network, this.#deps.clock.now());
    return asked.result;
  }

  async #decide(
    token: ShownToken,
    body: SigningBody,
    trace: RequestTrace,
  ): Promise<IssuedLeaf | SigningRefusal> {
    const { authority, clock, meshNamespace, settings } = this.#deps;
    if (authority.roots().length === 0)
      return { reason: 'authority-not-ready', message: 'the authority has no root yet' };
    const { trustDomain } = settings();
    const caller = await this.#caller(token, trace);
    if ('reason' in caller) return caller;
    trace.caller = caller;
    const wait = this.#pods.take(caller.podUid, clock.now());
    if (wait > 0)
      return { reason: 'rate-pod', message: 'too many requests from this pod', retryAfterMs: wait };

    const pod = await this.#find(PODS, { namespace: caller.namespace, name: caller.podName });
    const facts = {
      caller,
      pod,
      sourceAddress: trace.sourceAddress,
      sourceAddressCheck: this.#deps.sourceAddressCheck ?? 'enforce',
      callers: this.#deps.callers ?? 'pods',
      address: this.#deps.address ?? 'required',
    };
    const podRefusal = firstRefusal(POD_CHECKS, facts);
    if (podRefusal || !pod) return podRefusal ?? { reason: 'pod-gone', message: 'the pod is gone' };
    trace.pod = { apiVersion: 'v1', kind: 'Pod', ...pod };
    this.#noteSourceAddress(trace, pod);
    // Only now: the parser meets nothing from strangers, and the pod's people are told what is wrong.
    const csr = await checkCsr(body.csr);
    if (!csr.ok) return { reason: csr.reason, message: csr.message };

    const claim = claimOf(pod, { outside: facts.callers === 'outside' });
    const who = claimedService(pod, 'fault' in claim ? undefined : claim.service, body.service);
    if ('reason' in who) return who;
    trace.who = who;
    const service = await this.#find<MeshService>(MESH_SERVICES, {
      namespace: who.namespace,
      name: who.service,
    });
    const spiffeId = serviceSpiffeId(settings(), who);
    const refusal = firstRefusal(SERVICE_CHECKS, {
      caller,
      who,
      service,
      meshNamespace,
      csr: csr.csr,
      spiffeId,
      trustDomain,
    });
    return refusal ?? authority.signLeaf(who, csr.csr);
  }

  #noteSourceAddress(trace: RequestTrace, pod: Pod): void {
    const facts = { pod, sourceAddress: trace.sourceAddress };
    const note = sourceAddressUnknown(pod) ?? sourceAddressFault(facts);
    if (note)
      this.#deps.log.debug({ requestId: trace.requestId, note }, 'the source address was not checked');
  }

  async #find<T extends KubeObject>(type: ResourceType<T>, name: ObjectName): Promise<T | undefined> {
    try {
      return await this.#deps.api.get(type, name, { signal: this.#deadline() });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #deadline(): AbortSignal {
    return AbortSignal.timeout(this.#limits.apiTimeoutMs);
  }
}

const ABORTED: ReadonlySet<string> = new Set(['TimeoutError', 'AbortError']);

function failure(error: unknown): SigningRefusal {
  const message = errorText(error);
  const isApi =
    error instanceof KubeError ||
    error instanceof KubeConnectionError ||
    ABORTED.has((error as Error | null)?.name ?? '');
  return isApi
    ? {
        reason: 'api-unavailable',
        message: `the API server could not be asked: ${message}`,
        retryAfterMs: 2000,
      }
    : { reason: 'signing-failed', message };
}

import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import type { Svid } from '#pki/svid.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';
import type { IdentitySnapshot, IdentitySource } from '../../dataplane/interfaces/identity-source.ts';
import type { TrustState } from '../trust/trust-state.ts';
import { checkLeaf } from './leaf-check.ts';
import { renewAt, retryDelay, rootChangeWindow } from './renewal-times.ts';
import { SigningError } from './signing-client.ts';
import type { Sign } from './signing-client.ts';

/** The operator says why it refuses; so many reasons are counted by themselves. */
const MAX_CODES = 32;
const OTHER = { code: 'other' };

/** Where the identity learns whom to trust and what the mesh is called. */
interface TrustSource {
  current(): TrustState | undefined;
  onChange(listener: () => void): () => void;
}

export interface IdentityDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly trust: TrustSource;
  readonly sign: Sign;
  /** Who we are. */
  readonly service: ServiceIdentity;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** How the identity fares, for readiness, metrics and people. */
export interface IdentityState {
  /** Whether there is a certificate and it has not ended. */
  readonly valid: boolean;
  readonly svid?: Pick<Svid, 'spiffeId' | 'notBefore' | 'notAfter' | 'serial' | 'certChainPem'>;
  /** Unix time, milliseconds. */
  readonly obtainedAt?: number;
  readonly nextAttemptAt?: number;
  readonly issued: number;
  /** Failed requests by code. */
  readonly failures: ReadonlyMap<string, number>;
  readonly lastFault?: string;
}

/**
 * This pod's identity: a key made here, a certificate for it from the operator, and the next one in time. It outlives the
 * operator: the last good certificate serves until its end.
 */
export class IdentityManager implements IdentitySource {
  readonly #deps: IdentityDeps;
  readonly #random: () => number;
  readonly #listeners = new ChangeEmitter();
  readonly #failures = new Map<string, number>();
  #leaf: { readonly svid: Svid; readonly obtainedAt: number } | undefined;
  #snapshot: IdentitySnapshot | undefined;
  #issued = 0;
  #failuresInARow = 0;
  #lastFault: string | undefined;
  #nextAttemptAt: number | undefined;
  #attemptTimer: Timer | undefined;
  #endTimer: Timer | undefined;
  #asking: AbortController | undefined;
  #stopTrust: (() => void) | undefined;

  constructor(deps: IdentityDeps) {
    this.#deps = deps;
    this.#random = deps.random ?? Math.random;
  }

  start(): void {
    if (this.#stopTrust) return;
    this.#stopTrust = this.#deps.trust.onChange(() => this.#trustChanged());
    this.#trustChanged();
  }

  stop(): void {
    this.#stopTrust?.();
    this.#stopTrust = undefined;
    this.#attemptTimer?.cancel();
    this.#endTimer?.cancel();
    this.#asking?.abort();
  }

  current(): IdentitySnapshot | undefined {
    return this.#snapshot;
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  state(): IdentityState {
    const svid = this.#leaf?.svid;
    return {
      valid: svid !== undefined && svid.notAfter > this.#deps.clock.now(),
      ...(svid ? { svid, obtainedAt: this.#leaf?.obtainedAt ?? 0 } : {}),
      ...(this.#nextAttemptAt === undefined ? {} : { nextAttemptAt: this.#nextAttemptAt }),
      issued: this.#issued,
      failures: this.#failures,
      ...(this.#lastFault === undefined ? {} : { lastFault: this.#lastFault }),
    };
  }

  #trustChanged(): void {
    const trust = this.#deps.trust.current();
    if (!trust) return;
    if (!this.#leaf) {
      if (!this.#attemptTimer && !this.#asking) this.#attemptIn(0);
      return;
    }
    if (!this.#snapshot?.bundle.equals(trust.bundle)) this.#publish();
    if (this.#leafFits(trust)) return;
    const window = rootChangeWindow(trust.settings.leafTtlMs, this.#leafLeadsTo(trust.bundle, trust));
    const delay = this.#random() * window;
    const due = this.#deps.clock.now() + delay;
    if (this.#asking || (this.#nextAttemptAt !== undefined && this.#nextAttemptAt <= due)) return;
    this.#deps.log.info(
      { inMs: Math.round(delay) },
      'the active root or the name of the mesh changed: asking for a new certificate',
    );
    this.#attemptIn(delay);
  }

  /** Whether our leaf names us as we should be named, and an active root stands behind it. */
  #leafFits(trust: TrustState): boolean {
    const svid = this.#leaf?.svid;
    if (!svid || svid.spiffeId !== serviceSpiffeId(trust.settings, this.#deps.service)) return false;
    if (trust.active.rootsOf(trust.settings.trustDomain).length === 0) return true;
    return this.#leafLeadsTo(trust.active, trust);
  }

  #leafLeadsTo(roots: TrustBundle, { settings }: TrustState): boolean {
    const [leaf, ...intermediates] = readCertificates(this.#leaf?.svid.certChainPem ?? '');
    const now = this.#deps.clock.now();
    return (
      leaf !== undefined && roots.fault(leaf, settings.trustDomain, { now, intermediates }) === undefined
    );
  }

  #attemptIn(ms: number): void {
    this.#attemptTimer?.cancel();
    this.#nextAttemptAt = this.#deps.clock.now() + ms;
    this.#attemptTimer = this.#deps.clock.setTimeout(() => {
      this.#attemptTimer = undefined;
      this.#nextAttemptAt = undefined;
      void this.#attempt();
    }, ms);
  }

  /** One request. Never rejects. */
  async #attempt(): Promise<void> {
    const trust = this.#deps.trust.current();
    if (!trust || this.#asking) return;
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const svid = await this.#obtain(trust, asking.signal);
      if (asking.signal.aborted) return;
      this.#asking = undefined;
      this.#took(svid);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#asking = undefined;
      this.#failed(error);
    }
  }

  /** A new key, a request, and the answer checked. The key leaves this process in no form. */
  async #obtain(trust: TrustState, signal: AbortSignal): Promise<Svid> {
    const { clock, service, sign } = this.#deps;
    const spiffeId = serviceSpiffeId(trust.settings, service);
    const keys = await generateKeys();
    const roots = trust.bundle.rootsOf(trust.settings.trustDomain);
    const answer = await sign({ csr: createCsr(keys, spiffeId), service: service.service, roots }, signal);
    const now = clock.now();
    // The bundle as it is by now: a root may have been published while the request was on its way.
    const { bundle } = this.#deps.trust.current() ?? trust;
    try {
      return checkLeaf(answer.certificate, {
        keys,
        spiffeId,
        trustDomain: trust.settings.trustDomain,
        bundle,
        now,
      });
    } catch (error) {
      throw new SigningError('bad-answer', `the operator's answer is not taken: ${(error as Error).message}`);
    }
  }

  #took(svid: Svid): void {
    const { clock, log } = this.#deps;
    const now = clock.now();
    this.#leaf = { svid, obtainedAt: now };
    this.#issued += 1;
    this.#failuresInARow = 0;
    this.#lastFault = undefined;
    this.#endTimer?.cancel();
    this.#endTimer = clock.setTimeout(() => this.#ended(), svid.notAfter - now);
    const trust = this.#deps.trust.current();
    const due = renewAt({ obtainedAt: now, notAfter: svid.notAfter }, this.#random());
    // An operator that has not switched to the new root yet is asked again soon, but not in a loop.
    const soon = trust && !this.#leafFits(trust) ? now + 30_000 * (1 + this.#random()) : due;
    const next = Math.min(due, soon);
    this.#attemptIn(next - now);
    log.info(
      { spiffeId: svid.spiffeId, serial: svid.serial, notAfter: iso(svid.notAfter), renewal: iso(next) },
      this.#issued === 1 ? 'certificate obtained' : 'certificate renewed',
    );
    this.#publish();
  }

  #failed(error: unknown): void {
    const { clock, log } = this.#deps;
    const fault =
      error instanceof SigningError ? error : new SigningError('internal', String(error), { cause: error });
    this.#failuresInARow += 1;
    const { code } = this.#failures.size < MAX_CODES || this.#failures.has(fault.code) ? fault : OTHER;
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1);
    this.#lastFault = fault.message;
    const remainingMs = this.#leaf ? this.#leaf.svid.notAfter - clock.now() : undefined;
    const delay = retryDelay({
      failures: this.#failuresInARow,
      ...(remainingMs === undefined ? {} : { remainingMs }),
      retryAfterMs: fault.retryAfterMs,
      random: this.#random(),
    });
    const fields = {
      reason: fault.code,
      detail: fault.message,
      failures: this.#failuresInARow,
      retryInMs: Math.round(delay),
    };
    if (remainingMs === undefined || remainingMs > 0)
      log.warn(fields, this.#leaf ? 'certificate not renewed' : 'no certificate yet');
    else log.error(fields, 'the certificate has ended and no new one was obtained: peers refuse this pod');
    this.#attemptIn(delay);
  }

  /** The leaf came to its end without a successor. */
  #ended(): void {
    const notAfter = this.#leaf?.svid.notAfter ?? 0;
    this.#deps.log.error(
      { notAfter: iso(notAfter), reason: this.#lastFault ?? 'no answer yet', failures: this.#failuresInARow },
      'the certificate has ended and no new one was obtained: peers refuse this pod',
    );
    this.#listeners.emit();
  }

  #publish(): void {
    const trust = this.#deps.trust.current();
    if (!this.#leaf || !trust) return;
    this.#snapshot = {
      svid: this.#leaf.svid,
      bundle: trust.bundle,
      version: (this.#snapshot?.version ?? 0) + 1,
    };
    this.#listeners.emit();
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

import type { KubeApi } from '../api.ts';
import type { Clock } from '#base/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../errors.ts';
import type { Logger } from '#base/log.ts';
import { microTime } from '#base/times.ts';
import { LEASES } from '../types.ts';
import type { Lease } from '../types.ts';

export interface LeaseElectorOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** The Lease object that is competed for. */
  readonly name: string;
  readonly namespace: string;
  /** Who we are; different for every contender and every start of it (pod name and a random part). */
  readonly identity: string;
  /** We lead. The signal is aborted when we stop to; the promise should then end soon. */
  readonly onStarted: (signal: AbortSignal) => Promise<void> | void;
  /** We led and do not any more, without having been stopped. A process that cannot take back its work at once should exit. */
  readonly onLost?: () => void;
  /** How long a lease holds without renewal; default 15 s. */
  readonly leaseDurationMs?: number;
  /** When a leader that cannot renew gives up; less than the lease's duration; default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Time between attempts; default 2 s. */
  readonly retryPeriodMs?: number;
  /** Uniform in [0, 1); for tests. */
  readonly random?: () => number;
}

/** What was last seen in the Lease, and when: renewals are judged by our own clock, whatever the holder's says. */
interface Observation {
  readonly record: string;
  readonly holder: string;
  readonly durationMs: number;
  readonly at: number;
}

type Attempt = 'ours' | 'others' | 'unclear';

/** How long the leader's work may take to end before the lease is released; else it is left to expire. */
const HAND_OVER_MS = 5_000;

/**
 * Elects one of several processes by a Lease (coordination.k8s.io), as Kubernetes' own controllers do. Time is measured only
 * locally: another's lease has expired when it was not seen to change for its duration; our own, `renewDeadlineMs` after the
 * start of the last renewal that succeeded.
 */
export class LeaseElector {
  readonly #options: Required<Omit<LeaseElectorOptions, 'onLost' | 'random'>> & LeaseElectorOptions;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #observed: Observation | undefined;
  #leading: { readonly controller: AbortController; readonly work: Promise<void> } | undefined;
  #renewedAt = 0;

  constructor(options: LeaseElectorOptions) {
    this.#options = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, ...options };
    this.#random = options.random ?? Math.random;
  }

  get isLeader(): boolean {
    return this.#leading !== undefined;
  }

  /** Identity of the leader as last seen; undefined while nobody leads or nothing was seen. */
  get leader(): string | undefined {
    return this.#observed?.holder === '' ? undefined : this.#observed?.holder;
  }

  /** Begins to compete; a second call does nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the work, waits for it, and lets the next one lead at once. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the elector was stopped'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, retryPeriodMs } = this.#options;
    const signal = this.#stopping.signal;
    while (!signal.aborted) {
      await this.#attempt();
      // Jitter keeps contenders from colliding for ever; a leader renews on time.
      await clock.sleep(retryPeriodMs * (this.#leading ? 1 : 1 + 0.2 * this.#random()), signal);
    }
    await this.#release();
  }

  async #attempt(): Promise<void> {
    const { clock, log, renewDeadlineMs } = this.#options;
    const startedAt = clock.now();
    try {
      const outcome = await this.#withTimeLimit((signal) => this.#tryAcquire(signal));
      if (outcome === 'ours') return this.#won(startedAt);
      if (outcome === 'others') return this.#lost('another took the lease');
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      log.warn({ err: error }, 'the leader lease cannot be read or written');
    }
    if (clock.now() - this.#renewedAt >= renewDeadlineMs) this.#lost('it could not be renewed in time');
  }

  /** A leader's attempt must not outlast its deadline; anybody's ends with `stop`. */
  async #withTimeLimit<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, renewDeadlineMs } = this.#options;
    const controller = new AbortController();
    const abort = (): void => controller.abort(new Error('no answer in time'));
    const timeLeft = this.#leading
      ? Math.max(0, this.#renewedAt + renewDeadlineMs - clock.now())
      : renewDeadlineMs;
    // Half the deadline, so that one lost answer leaves time for another attempt.
    const timer = clock.setTimeout(abort, Math.min(timeLeft, renewDeadlineMs / 2));
    this.#stopping.signal.addEventListener('abort', abort, { once: true });
    try {
      return await work(controller.signal);
    } finally {
      timer.cancel();
      this.#stopping.signal.removeEventListener('abort', abort);
    }
  }

  async #tryAcquire(signal: AbortSignal): Promise<Attempt> {
    const { api, name, namespace, identity, clock } = this.#options;
    const lease = await api.get(LEASES, { name, namespace }, { signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (lease) this.#observe(lease);
    const seen = this.#observed;
    const held = lease && seen && seen.holder !== '' && seen.holder !== identity;
    if (held && clock.now() < seen.at + seen.durationMs) return 'others';
    try {
      const wanted = this.#claim(lease);
      this.#observe(
        await (lease ? api.update(LEASES, wanted, { signal }) : api.create(LEASES, wanted, { signal })),
      );
      return 'ours';
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error)) return this.#afterConflict(signal);
      throw error;
    }
  }

  /** Somebody wrote the lease between our read and our write; a label, perhaps. Only another holder takes it from us. */
  async #afterConflict(signal: AbortSignal): Promise<Attempt> {
    const { api, name, namespace, identity } = this.#options;
    const lease = await api.get(LEASES, { name, namespace }, { signal });
    this.#observe(lease);
    return lease.spec?.holderIdentity === identity ? 'unclear' : 'others';
  }

  #observe(lease: Lease): void {
    const spec = lease.spec ?? {};
    const record = JSON.stringify([
      spec.holderIdentity,
      spec.acquireTime,
      spec.renewTime,
      spec.leaseTransitions,
      lease.metadata.uid,
    ]);
    if (record === this.#observed?.record) return;
    const durationMs = (spec.leaseDurationSeconds ?? 15) * 1000;
    this.#observed = { record, holder: spec.holderIdentity ?? '', durationMs, at: this.#options.clock.now() };
  }

  #claim(lease: Lease | undefined): Lease {
    const { name, namespace, identity, clock, leaseDurationMs } = this.#options;
    const now = microTime(clock.now());
    const ours = lease?.spec?.holderIdentity === identity;
    const transitions = lease?.spec?.leaseTransitions ?? 0;
    return {
      metadata: lease?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
        acquireTime: (ours ? lease.spec?.acquireTime : undefined) ?? now,
        renewTime: now,
        leaseTransitions: lease && !ours ? transitions + 1 : transitions,
      },
    };
  }

  #won(startedAt: number): void {
    this.#renewedAt = startedAt;
    if (this.#leading || this.#stopping.signal.aborted) return;
    const { log, identity, onStarted } = this.#options;
    const controller = new AbortController();
    log.info({ identity }, 'leading');
    const work = Promise.resolve()
      .then(() => onStarted(controller.signal))
      .catch((error: unknown) => log.error({ err: error }, "the leader's work failed"));
    this.#leading = { controller, work };
  }

  #lost(why: string): void {
    if (!this.#leading) return;
    const { log, identity, onLost } = this.#options;
    log.error({ identity, why }, 'no longer leading');
    this.#leading.controller.abort(new Error(`no longer leading: ${why}`));
    this.#leading = undefined;
    onLost?.();
  }

  async #release(): Promise<void> {
    const leading = this.#leading;
    if (!leading) return;
    const { api, clock, log, name, namespace, identity } = this.#options;
    leading.controller.abort(this.#stopping.signal.reason);
    this.#leading = undefined;
    const limit = new AbortController();
    const ended = await Promise.race([
      leading.work.then(() => true),
      clock.sleep(HAND_OVER_MS, limit.signal).then(() => false),
    ]);
    limit.abort();
    if (!ended) return log.warn({ identity }, 'the work did not end in time; the lease is left to expire');
    try {
      await this.#withReleaseLimit(async (signal) => {
        const lease = await api.get(LEASES, { name, namespace }, { signal });
        if (lease.spec?.holderIdentity !== identity) return;
        const spec = {
          ...lease.spec,
          holderIdentity: '',
          leaseDurationSeconds: 1,
          renewTime: microTime(clock.now()),
        };
        await api.update(LEASES, { ...lease, spec }, { signal });
      });
      log.info({ identity }, 'released the leader lease');
    } catch (error) {
      log.warn({ err: error }, 'the leader lease could not be released; it will expire');
    }
  }

  async #withReleaseLimit(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController();
    const timer = this.#options.clock.setTimeout(
      () => controller.abort(new Error('no answer in time')),
      HAND_OVER_MS,
    );
    try {
      await work(controller.signal);
    } finally {
      timer.cancel();
    }
  }
}

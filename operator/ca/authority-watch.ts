import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { Authority } from './authority.ts';

export interface AuthorityWatchDeps {
  readonly authority: Pick<Authority, 'fault'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'authorityFault'>;
}

/** No cache tells what happens to the authority's Secret: the operator watches no Secrets. */
const LOOK_EVERY_MS = 60_000;

/**
 * Asks the authority once a minute whether it is well, in every replica: each has the key in its own memory, so that a Secret
 * that is gone or was replaced shows only when it restarts, and then it is late. What changes is told once.
 */
export class AuthorityWatch {
  readonly #deps: AuthorityWatchDeps;
  readonly #listeners = new Set<() => void>();
  #fault: string | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  /** Counts looks, so that one which was overtaken says nothing. */
  #turn = 0;

  constructor(deps: AuthorityWatchDeps) {
    this.#deps = deps;
  }

  /** What was wrong when it was asked last; undefined when nothing was. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Calls `listener` whenever {@link fault} has become another. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks now, and then every minute until {@link stop}. May be called again whenever there is reason to look at once. Never throws. */
  async look(): Promise<void> {
    this.#timer?.cancel();
    const turn = ++this.#turn;
    const fault = await this.#ask();
    if (turn !== this.#turn || this.#stopped) return;
    this.#take(fault);
    this.#timer = this.#deps.clock.setTimeout(() => void this.look(), LOOK_EVERY_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #ask(): Promise<string | undefined> {
    try {
      return await this.#deps.authority.fault();
    } catch (error) {
      return `it cannot be asked: ${(error as Error).message}`;
    }
  }

  #take(fault: string | undefined): void {
    const { log, metrics } = this.#deps;
    metrics.authorityFault.set(fault === undefined ? 0 : 1);
    if (fault === this.#fault) return;
    this.#fault = fault;
    if (fault !== undefined) log.error({ fault }, 'the certificate authority is in trouble');
    else log.info({}, 'the certificate authority is well again');
    for (const listener of this.#listeners) listener();
  }
}

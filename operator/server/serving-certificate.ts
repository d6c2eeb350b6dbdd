import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';

/** What a TLS server shows: chain and key, and how long it is good. */
export interface ServingPair {
  readonly certChainPem: string;
  readonly keyPem: string;
  /** Unix time, milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface ServingCertificateDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'servingCertificateExpiry'>;
  /** Makes a new pair, with a new key. */
  readonly issue: () => Promise<ServingPair>;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/**
 * The operator's own serving certificate: made in memory, renewed between 60 and 68 percent of its life,
 * well before anybody is told that it comes near its end.
 * Each replica has its own. A failed renewal is tried again and the old one stays in use.
 */
export class ServingCertificate {
  readonly #deps: ServingCertificateDeps;
  readonly #listeners: ((pair: ServingPair) => void)[] = [];
  #pair: ServingPair | undefined;
  #timer: Timer | undefined;
  #retryMs = FIRST_RETRY_MS;
  #stopped = false;
  #stopWaiting: () => void = () => undefined;
  /** Counts tries, so that one which was overtaken changes nothing. */
  #turn = 0;

  constructor(deps: ServingCertificateDeps) {
    this.#deps = deps;
  }

  /** The pair in use; undefined before the first. */
  get pair(): ServingPair | undefined {
    return this.#pair;
  }

  /** Calls `listener` with every new pair. */
  onChange(listener: (pair: ServingPair) => void): void {
    this.#listeners.push(listener);
  }

  /** Makes the first pair. Tries until it succeeds or {@link stop} is called. */
  async start(): Promise<void> {
    await this.#renew();
    if (this.#pair || this.#stopped) return;
    await new Promise<void>((resolve) => {
      this.onChange(() => resolve());
      this.#stopWaiting = resolve;
    });
  }

  /** What is wrong with the pair in use; undefined when nothing is. */
  fault(): string | undefined {
    const now = this.#deps.clock.now();
    if (!this.#pair) return 'there is none yet';
    if (now >= this.#pair.notAfter) return `it ended at ${new Date(this.#pair.notAfter).toISOString()}`;
    return now < this.#pair.notBefore ? 'it is not valid yet; is the clock of this node right?' : undefined;
  }

  /** Makes a new pair now, or tries again to make the first: the root has changed. */
  renew(): void {
    if (!this.#stopped) void this.#renew();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#stopWaiting();
  }

  async #renew(): Promise<void> {
    const { issue, log, metrics } = this.#deps;
    this.#timer?.cancel();
    const turn = ++this.#turn;
    try {
      const pair = await issue();
      if (turn !== this.#turn) return;
      this.#pair = pair;
      this.#retryMs = FIRST_RETRY_MS;
      metrics.servingCertificateExpiry.set(Math.floor(pair.notAfter / 1000));
      for (const listener of this.#listeners) listener(pair);
      log.info({ notAfter: new Date(pair.notAfter).toISOString() }, 'serving certificate renewed');
      this.#schedule(this.#renewalDelay(pair));
    } catch (err) {
      if (turn !== this.#turn) return;
      log.error(
        { err, retryMs: this.#retryMs },
        this.#pair
          ? 'the serving certificate could not be renewed; the old one stays in use'
          : 'there is no serving certificate yet; neither injection nor signing works before there is one',
      );
      this.#schedule(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
    }
  }

  #renewalDelay({ notBefore, notAfter }: ServingPair): number {
    const life = notAfter - notBefore;
    const at = notBefore + life * (0.6 + 0.08 * this.#deps.random());
    return Math.max(FIRST_RETRY_MS, at - this.#deps.clock.now());
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#timer = this.#deps.clock.setTimeout(() => void this.#renew(), ms);
  }
}

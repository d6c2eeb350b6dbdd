import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

/** What a reconcile may ask for: to be called again for the same key later. */
export interface Requeue {
  readonly requeueAfterMs: number;
}

export interface WorkQueueOptions {
  /** For log lines. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Brings one key into its wanted state. Throwing means: again later, waiting longer each time.
   *
   * @param signal aborted when the queue stops
   */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Requeue | void>;
  /** Keys worked on at the same time; default 4. One key is never worked on twice at once. */
  readonly concurrency?: number;
  /** Wait after a key's first failure, doubled with each further one; default 200 ms. */
  readonly baseMs?: number;
  /** The longest wait after failures; default 60 s. */
  readonly capMs?: number;
  /** Uniform in [0, 1); for tests. */
  readonly random?: () => number;
}

interface Waiting {
  readonly at: number;
  readonly timer: Timer;
}

/**
 * Keys that need work. A key added several times before its turn is worked on once; added while it is worked on, it has
 * another turn afterwards. Failures are tried again with an exponential wait per key, which success forgets.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #concurrency: number;
  readonly #ready = new Set<string>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #idle = new Set<() => void>();
  #started = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? 4;
  }

  /** Keys whose turn has come but that are not worked on yet. */
  get length(): number {
    return this.#ready.size;
  }

  /** Keys that failed the last time. */
  get failing(): number {
    return this.#failures.size;
  }

  /** Begins to work; keys may be added before. */
  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** The key needs work now. */
  add(key: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#ready.add(key);
    this.#pump();
  }

  /** The key needs work after `ms` milliseconds. Of several such wishes the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.#stopping.signal.aborted) return;
    if (ms <= 0) return this.add(key);
    const at = this.#options.clock.now() + ms;
    const earlier = this.#waiting.get(key);
    if (earlier && earlier.at <= at) return;
    earlier?.timer.cancel();
    const timer = this.#options.clock.setTimeout(() => {
      this.#waiting.delete(key);
      this.add(key);
    }, ms);
    this.#waiting.set(key, { at, timer });
  }

  /** Resolves when nothing is ready and nothing runs; keys that wait for their time do not count. */
  async idle(): Promise<void> {
    while (this.#ready.size > 0 || this.#running.size > 0)
      await new Promise<void>((resolve) => this.#idle.add(resolve));
  }

  /** Takes no more keys, tells what runs to end, and waits for it. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the work queue was stopped'));
    this.#ready.clear();
    for (const { timer } of this.#waiting.values()) timer.cancel();
    this.#waiting.clear();
    await Promise.all(this.#running.values());
  }

  #pump(): void {
    if (!this.#started) return;
    for (const key of this.#ready) {
      if (this.#running.size >= this.#concurrency) break;
      if (this.#running.has(key)) continue;
      this.#ready.delete(key);
      this.#running.set(key, this.#work(key));
    }
    if (this.#ready.size === 0 && this.#running.size === 0) {
      for (const resolve of this.#idle) resolve();
      this.#idle.clear();
    }
  }

  async #work(key: string): Promise<void> {
    const signal = this.#stopping.signal;
    try {
      // Always asynchronous, so that `add` never runs a reconcile inside its caller.
      await Promise.resolve();
      const requeue = await this.#options.reconcile(key, signal);
      this.#failures.delete(key);
      if (requeue) this.addAfter(key, requeue.requeueAfterMs);
    } catch (error) {
      if (!signal.aborted) this.#failed(key, error);
    } finally {
      this.#running.delete(key);
      if (!signal.aborted) this.#pump();
    }
  }

  #failed(key: string, error: unknown): void {
    const { baseMs = 200, capMs = 60_000, random = Math.random, log, name } = this.#options;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
    const wait = ceiling * (0.5 + random() / 2);
    log.warn(
      { queue: name, key, failures, retryInMs: Math.round(wait), err: error },
      'work failed; it will be tried again',
    );
    this.addAfter(key, wait);
  }
}

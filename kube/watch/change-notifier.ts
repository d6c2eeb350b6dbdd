import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

/** Takes all objects and the keys that changed; a key that is not in `items` was removed. */
export type OnChange<Kept> = (
  items: ReadonlyMap<string, Kept>,
  changed: ReadonlySet<string>,
) => void | Promise<void>;

export interface ChangeNotifierOptions<Kept> {
  readonly items: ReadonlyMap<string, Kept>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange?: OnChange<Kept>;
}

/** When keys whose delivery failed are delivered again although nothing else changed. */
const REDELIVER_AFTER_MS = 10_000;

/** Gathers the changes of one tick into one call of `onChange`, which may throw as it likes. */
export class ChangeNotifier<Kept> {
  /** Resolves after the first delivery that follows a list. */
  readonly first: Promise<void>;
  readonly #options: ChangeNotifierOptions<Kept>;
  #resolveFirst: () => void = () => undefined;
  #changed = new Set<string>();
  #listed = false;
  #scheduled: NodeJS.Immediate | undefined;
  #redelivery: Timer | undefined;
  #stopped = false;

  constructor(options: ChangeNotifierOptions<Kept>) {
    this.#options = options;
    this.first = new Promise((resolve) => (this.#resolveFirst = resolve));
  }

  changed(key: string): void {
    this.#changed.add(key);
    if (this.#listed) this.#schedule();
  }

  /** A list is complete. The first one is delivered even when it is empty. */
  listed(): void {
    const isFirst = !this.#listed;
    this.#listed = true;
    if (isFirst || this.#changed.size > 0) this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#scheduled);
    this.#redelivery?.cancel();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#scheduled ??= setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = undefined;
    this.#redelivery?.cancel();
    const changed = this.#changed;
    this.#changed = new Set();
    try {
      const result = this.#options.onChange?.(this.#options.items, changed);
      result?.catch((error: unknown) => this.#failed(error, changed));
    } catch (error) {
      this.#failed(error, changed);
    }
    this.#resolveFirst();
  }

  #failed(error: unknown, changed: ReadonlySet<string>): void {
    this.#options.log.error(
      { err: error, changed: changed.size },
      'acting on a change failed; the change will come again',
    );
    for (const key of changed) this.#changed.add(key);
    if (!this.#stopped)
      this.#redelivery = this.#options.clock.setTimeout(() => this.#schedule(), REDELIVER_AFTER_MS);
  }
}

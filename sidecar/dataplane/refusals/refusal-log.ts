import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

export interface RefusalLogOptions {
  /** Lines of one kind. */
  readonly perKind: number;
  /** Lines of all kinds together. */
  readonly inAll: number;
  readonly windowMs: number;
}

const DEFAULTS: RefusalLogOptions = { perKind: 50, inAll: 200, windowMs: 10_000 };

/**
 * Lines that peers can cause are written at most so often, of one kind and in all, so that a stranger can neither fill a disk nor
 * slow the sidecar down, under however many addresses it comes. What was left out is counted, and said by the next line.
 */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: RefusalLogOptions;
  /** Lines written in this window, by kind; never more kinds than `inAll`. */
  readonly #kinds = new Map<string, number>();
  #windowEnds = 0;
  #written = 0;
  #suppressed = 0;

  constructor(deps: { readonly clock: Clock; readonly log: Logger }, options = DEFAULTS) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#options = options;
  }

  /** @param kind lines are counted by it, such as reason and source */
  warn(kind: string, fields: object, message: string): void {
    this.#write('warn', kind, fields, message);
  }

  /** As {@link warn}, for what must not happen. */
  error(kind: string, fields: object, message: string): void {
    this.#write('error', kind, fields, message);
  }

  #write(level: 'warn' | 'error', kind: string, fields: object, message: string): void {
    this.#begin();
    const ofKind = this.#kinds.get(kind) ?? 0;
    if (ofKind >= this.#options.perKind || this.#written >= this.#options.inAll) {
      this.#suppressed += 1;
      return;
    }
    this.#kinds.set(kind, ofKind + 1);
    this.#written += 1;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.#log[level](suppressed > 0 ? { ...fields, suppressed } : fields, message);
  }

  #begin(): void {
    const now = this.#clock.now();
    if (now < this.#windowEnds) return;
    this.#windowEnds = now + this.#options.windowMs;
    this.#kinds.clear();
    this.#written = 0;
  }
}

import type { Clock } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';

/**
 * Lines that strangers can cause are written at most so often per kind, so that nobody can fill a disk or slow the sidecar
 * down by knocking. What was left out is told with the next line that is written.
 */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #perWindow: number;
  readonly #windowMs: number;
  readonly #kinds = new Map<string, { started: number; written: number; suppressed: number }>();

  /** @param options at most `perWindow` lines of one kind in `windowMs` milliseconds */
  constructor(
    deps: { readonly clock: Clock; readonly log: Logger },
    options = { perWindow: 50, windowMs: 10_000 },
  ) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#perWindow = options.perWindow;
    this.#windowMs = options.windowMs;
  }

  /** @param kind lines are counted by it, such as reason and source */
  warn(kind: string, fields: object, message: string): void {
    const suppressed = this.#admit(kind);
    if (suppressed === undefined) return;
    this.#log.warn(suppressed > 0 ? { ...fields, suppressed } : fields, message);
  }

  /** How many lines of this kind were left out before this one; undefined when this one is left out too. */
  #admit(kind: string): number | undefined {
    const now = this.#clock.now();
    const seen = this.#kinds.get(kind);
    if (!seen || now - seen.started >= this.#windowMs) {
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
      this.#kinds.set(kind, { started: now, written: 1, suppressed: 0 });
      return seen?.suppressed ?? 0;
    }
    if (seen.written < this.#perWindow) {
      seen.written += 1;
      return 0;
    }
    seen.suppressed += 1;
    return undefined;
  }
}

const MAX_KINDS = 1_000;

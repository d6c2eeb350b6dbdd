import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

import { TokenBuckets } from './token-buckets.ts';

export interface LogLimits {
  /** Lines at once after a rest. */
  readonly burst: number;
  readonly perSecond: number;
}

export interface LimitedLogDeps {
  readonly log: Logger;
  readonly clock: Pick<Clock, 'now'>;
  readonly limits: LogLimits;
  /** Counts lines that were left out. */
  readonly onLeftOut: () => void;
}

/** Of a log and its children. */
interface Shared {
  readonly buckets: TokenBuckets;
  leftOut: number;
}

type Level = 'debug' | 'info' | 'warn' | 'error';

/**
 * A log for lines that strangers cause: beyond so many a second they are left out and counted, and the next line that is written
 * says how many there were (`leftOut`). What strangers cause must neither fill a disk nor hide what others do.
 */
export class LimitedLog implements Logger {
  readonly #deps: LimitedLogDeps;
  readonly #shared: Shared;

  constructor(deps: LimitedLogDeps, shared?: Shared) {
    this.#deps = deps;
    this.#shared = shared ?? { buckets: new TokenBuckets({ ...deps.limits, maxKeys: 2 }), leftOut: 0 };
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  /** Shares the limit of this one. */
  child(fields: object): Logger {
    return new LimitedLog({ ...this.#deps, log: this.#deps.log.child(fields) }, this.#shared);
  }

  #write(level: Level, fields: object, message: string): void {
    const { log, clock, onLeftOut } = this.#deps;
    const shared = this.#shared;
    // What is written for debugging only must not leave out what is always written.
    if (shared.buckets.take(level === 'debug' ? 'debug' : 'other', clock.now()) > 0) {
      shared.leftOut += 1;
      onLeftOut();
      return;
    }
    const { leftOut } = shared;
    shared.leftOut = 0;
    log[level](leftOut > 0 ? { ...fields, leftOut } : fields, message);
  }
}

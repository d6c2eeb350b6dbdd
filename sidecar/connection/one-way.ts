import type { Duplex } from 'node:stream';

import type { Leg } from './leg.ts';

/**
 * One direction of a splice: what `from` sends is written to `to`, its end ends `to`, and a full `to` pauses `from`.
 * Does what `pipe` does, and counts, and can be taken off again without a trace.
 */
export class OneWay {
  readonly #leg: Leg;
  readonly #from: Duplex;
  readonly #to: Duplex;
  readonly #onEnd: () => void;
  #bytes = 0;
  #ended = false;
  #running = false;

  /** @param onEnd called once, when `from` has said everything */
  constructor(from: Leg, to: Leg, onEnd: () => void) {
    this.#leg = from;
    this.#from = from.stream;
    this.#to = to.stream;
    this.#onEnd = onEnd;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether `from` has said everything, in order. */
  get ended(): boolean {
    return this.#ended;
  }

  start(): void {
    this.#running = true;
    this.#from.on('data', this.#write);
    this.#from.on('end', this.#end);
    this.#to.on('drain', this.#resume);
    // A peer that ended without a word did so before anybody listened.
    if (this.#from.readableEnded) this.#end();
    else this.#from.resume();
  }

  /** Carries nothing more. Idempotent. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#from.off('data', this.#write);
    this.#from.off('end', this.#end);
    this.#to.off('drain', this.#resume);
    this.#from.pause();
  }

  readonly #write = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#to.writable && !this.#to.write(chunk)) this.#from.pause();
  };

  /** An end that was a reset is made one: the leg closes without having ended. */
  readonly #end = (): void => {
    if (this.#leg.wasReset()) return this.#leg.reset();
    this.#ended = true;
    this.#to.end();
    this.#onEnd();
  };

  readonly #resume = (): void => {
    this.#from.resume();
  };
}

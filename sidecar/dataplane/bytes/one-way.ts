import type { Leg, LegEnd, LegEvents } from './leg.ts';

export interface OneWayOptions {
  readonly from: Leg;
  readonly to: Leg;
  /** `from` has said everything. */
  readonly onEnd: () => void;
  /** `from` is closed. */
  readonly onClose: (end: LegEnd) => void;
  /** `to` took what had filled it, or `from` did, seen from the other way. */
  readonly otherWay: () => OneWay;
  /** So many bytes came. */
  readonly onArrived: (bytes: number) => void;
  /** What was carried already. */
  readonly carried?: { readonly bytes: number; readonly ended: boolean };
}

/** One direction of a splice: what `from` sends is written to `to`, its end ends `to`, and a full `to` pauses `from`. */
export class OneWay implements LegEvents {
  readonly #options: OneWayOptions;
  readonly #from: Leg;
  readonly #to: Leg;
  /** Whether a chunk must be copied before it is written. */
  readonly #copy: boolean;
  #bytes: number;
  #ended: boolean;
  #stopped = false;

  constructor(options: OneWayOptions) {
    this.#options = options;
    this.#from = options.from;
    this.#to = options.to;
    this.#copy = options.from.lends && !options.to.copies;
    this.#bytes = options.carried?.bytes ?? 0;
    this.#ended = options.carried?.ended ?? false;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether `from` has said everything, in order. */
  get ended(): boolean {
    return this.#ended;
  }

  start(): void {
    this.#from.carry(this);
  }

  /** Carries nothing more. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#from.pause();
  }

  onData(chunk: Buffer): void {
    if (this.#stopped) return;
    this.#bytes += chunk.length;
    this.#options.onArrived(chunk.length);
    if (!this.#to.write(this.#copy ? Buffer.from(chunk) : chunk)) this.#from.pause();
  }

  onEnd(): void {
    if (this.#stopped || this.#ended) return;
    this.#ended = true;
    this.#to.end();
    this.#options.onEnd();
  }

  /** `from` takes bytes again, so what flows towards it may. */
  onDrain(): void {
    this.#options.otherWay().#resume();
  }

  onClose(end: LegEnd): void {
    this.#options.onClose(end);
  }

  #resume(): void {
    if (!this.#stopped) this.#from.resume();
  }
}

import type { Wire, WireEvents } from './tls-wire.ts';

interface Written {
  bytes: Buffer;
  readonly onFlushed: (left: boolean) => void;
}

/**
 * One end of a connection in memory. What is written leaves only when a test says so, in pieces as large as it says: nothing
 * happens by itself.
 */
export class FakeWire implements Wire {
  /** Every byte that was ever written here, where `record` is set. */
  readonly written: Buffer[] = [];
  record = false;
  paused = false;
  /** Changes what leaves, on its way. */
  bend: (piece: Buffer) => Buffer = (piece) => piece;
  #peer: FakeWire | undefined;
  #events: WireEvents | undefined;
  #queue: Written[] = [];
  #backlog = 0;
  #ending = false;
  #closed = false;

  static pair(): readonly [FakeWire, FakeWire] {
    const one = new FakeWire();
    const other = new FakeWire();
    one.#peer = other;
    other.#peer = one;
    return [one, other];
  }

  get backlog(): number {
    return this.#backlog;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  start(events: WireEvents): void {
    this.#events = events;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  write(memory: Buffer, onFlushed: (left: boolean) => void): void {
    if (this.#closed || this.#ending) return onFlushed(false);
    if (this.record) this.written.push(Buffer.from(memory));
    this.#backlog += memory.length;
    // No copy: a session that uses its memory again before it has left says something else than it wanted.
    this.#queue.push({ bytes: memory, onFlushed });
  }

  end(): void {
    this.#ending = true;
    if (this.#queue.length === 0) this.#finish();
  }

  reset(): void {
    this.#finish();
  }

  /** Lets up to so many bytes leave, as one piece, unless the other end takes none now. @returns how many did */
  deliver(most: number): number {
    const first = this.#queue[0];
    if (!first || this.#closed || this.#peer!.paused) return 0;
    const piece = first.bytes.subarray(0, most);
    first.bytes = first.bytes.subarray(piece.length);
    this.#backlog -= piece.length;
    if (first.bytes.length === 0) this.#queue.shift();
    this.#peer!.#arrive(this.bend(Buffer.from(piece)));
    if (first.bytes.length === 0) first.onFlushed(true);
    if (this.#ending && this.#queue.length === 0) this.#finish();
    return piece.length;
  }

  /** Hands bytes to the session above, as if the other end had sent them. */
  inject(bytes: Buffer): void {
    this.#arrive(bytes);
  }

  #arrive(piece: Buffer): void {
    if (!this.#closed) this.#events?.onBytes(piece);
  }

  #finish(): void {
    for (const end of [this, this.#peer!]) {
      if (end.#closed) continue;
      end.#closed = true;
      setImmediate(() => {
        end.#backlog = 0;
        for (const { onFlushed } of end.#queue.splice(0)) onFlushed(false);
        end.#events?.onClose();
      });
    }
  }
}

import type { Leg, LegEnd, LegEvents } from './leg.ts';
import { LARGE_BYTES, Packs, ownCopy } from './packs.ts';

/** Bytes of the application that are kept until a peer consents: as much as a stream may carry before then. */
const MAX_EARLY_BYTES = 32_768;

/**
 * What the application says while its peer is still being dialed. Sent along with the request for a stream, so that no
 * round trip passes before it, and kept so that it can be sent again to another endpoint when the first refuses: a peer
 * passes nothing on to its application before it consents.
 */
export class EarlyBytes implements LegEvents {
  readonly #app: Leg;
  readonly #packs = new Packs();
  #ended = false;
  #closed: LegEnd | undefined;
  #to: Leg | undefined;

  /** @param app begins to be read at once */
  constructor(app: Leg) {
    this.#app = app;
    app.carry(this);
  }

  /** Bytes that the application has said so far. */
  get bytes(): number {
    return this.#packs.bytes;
  }

  /** Memory that is kept for them, and for what waits in the application's connection. */
  get waitingBytes(): number {
    return this.#packs.memory + this.#app.waitingBytes;
  }

  /** Whether it has said everything. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether its connection is gone. */
  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Sends everything said so far, and what follows, to a leg; to no other any more. */
  sendTo(leg: Leg): void {
    if (this.#to === leg) return;
    this.#to = leg;
    for (const chunk of this.#packs.all()) leg.write(chunk);
    if (this.#ended) leg.end();
  }

  /** That leg has refused. */
  takeBack(): void {
    this.#to = undefined;
  }

  onData(chunk: Buffer): void {
    const kept = this.#app.lends ? copyOf(chunk) : chunk;
    this.#packs.add(kept);
    if (this.#packs.bytes >= MAX_EARLY_BYTES) this.#app.pause();
    this.#to?.write(kept);
  }

  onEnd(): void {
    this.#ended = true;
    this.#to?.end();
  }

  onDrain(): void {
    // Nothing is written to the application yet.
  }

  onClose(end: LegEnd): void {
    this.#closed = end;
  }
}

/** Small ones are copied once more where they are kept. */
function copyOf(chunk: Buffer): Buffer {
  return chunk.length < LARGE_BYTES ? Buffer.from(chunk) : ownCopy(chunk);
}

import type { Writable } from 'node:stream';

import { Packs, isCompact, ownCopy } from './packs.ts';

/**
 * Writes small chunks to a stream. Where it takes them at once nothing is added; where it does not, they wait here, packed, for
 * what was written before, since a stream keeps every chunk by itself, with all the memory that it is a view of.
 */
export class SmallWrites {
  readonly #stream: Writable;
  readonly #onRoom: () => void;
  #packs: Packs | undefined;
  /** Something was written of which we are told when it has left. */
  #told = false;
  #full = false;
  /** Memory that a chunk which the stream did not take at once is a small part of. */
  #around = 0;

  /** @param onRoom called after `write` said false, when there is room again; more often does no harm */
  constructor(stream: Writable, onRoom: () => void) {
    this.#stream = stream;
    this.#onRoom = onRoom;
  }

  /** Bytes that wait here. */
  get bytes(): number {
    return this.#packs?.bytes ?? 0;
  }

  /** Memory that waits here, and what the stream keeps beyond what it was given. */
  get memory(): number {
    if (this.#stream.writableLength === 0) this.#around = 0;
    return (this.#packs?.memory ?? 0) + this.#around;
  }

  /** @returns false when enough waits: a `drain` of the stream or `onRoom` follows */
  write(chunk: Buffer): boolean {
    const stream = this.#stream;
    if (this.#told) {
      this.#packs ??= new Packs();
      this.#packs.add(chunk);
      this.#full ||= stream.writableLength + this.#packs.bytes >= stream.writableHighWaterMark;
      return !this.#full;
    }
    if (stream.writableLength === 0) {
      const more = stream.write(chunk);
      this.#around = stream.writableLength > 0 ? chunk.buffer.byteLength - chunk.length : 0;
      return more;
    }
    this.#told = true;
    return stream.write(isCompact(chunk) ? chunk : ownCopy(chunk), this.#onWritten);
  }

  /** Hands to the stream whatever waits: something else is to follow it. */
  flush(): void {
    if (this.bytes > 0) for (const pack of this.#take()) this.#stream.write(pack);
  }

  #take(): readonly Buffer[] {
    const packs = this.#packs?.take() ?? [];
    this.#packs = undefined;
    return packs;
  }

  readonly #onWritten = (): void => {
    this.#told = false;
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    const packs = this.#take();
    const last = packs.at(-1);
    if (last) {
      this.#told = true;
      for (const pack of packs) this.#stream.write(pack, pack === last ? this.#onWritten : undefined);
    } else if (this.#full) {
      this.#full = false;
      this.#onRoom();
    }
  };
}

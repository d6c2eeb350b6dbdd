import { FrameWriter } from './frames/frame-writer.ts';
import { encodeCloseReason } from './frames/payloads.ts';
import type { CloseReason } from './frames/payloads.ts';
import { FRAME, MAX_PAYLOAD, MAX_WINDOW } from './frames/protocol.ts';
import { slabs } from './slab-pool.ts';
import type { StreamSender, TunnelStream } from './tunnel-stream.ts';
import type { Wire } from './tls-wire.ts';

/** So much may wait to leave before streams are told to wait, and so little before they are told to go on. */
const CONGESTED_BYTES = 262_144;
const RELIEVED_BYTES = 65_536;
/** What is collected in one turn of the event loop leaves at once when it is this much. */
const FLUSH_BYTES = 262_144;
/** After so many turns with one frame, frames leave at once; until two come so close together that one turn brought both. */
const SINGLE_TURNS = 8;
const SAME_TURN_MS = 0.05;
/** What one stream sends before the next one that waits has its turn. */
const QUANTUM = 65_536;

/**
 * The sending half of a tunnel. Frames of one turn of the event loop leave together; when more waits to leave than the
 * connection takes, streams wait, and then have their turns one after the other.
 */
export class Outbox implements StreamSender {
  readonly #wire: Wire;
  readonly #onSent: (bytes: number) => void;
  readonly #writer = new FrameWriter(slabs);
  readonly #waiting = new Set<TunnelStream>();
  #credit: number;
  #scheduled = false;
  #congested = false;
  #stopped = false;
  #progress = 0;
  /** Writes that have not left, and the memory that they keep. */
  #writes = 0;
  #written = 0;
  /** Frames with data in this turn; turns in a row with no more than one; and when the last turn ended, milliseconds. */
  #frames = 0;
  #single = 0;
  #lastTurn = 0;

  /**
   * @param credit bytes that all streams together may send
   * @param onSent told of every byte of the application that is sent
   */
  constructor(wire: Wire, credit: number, onSent: (bytes: number) => void) {
    this.#wire = wire;
    this.#credit = credit;
    this.#onSent = onSent;
  }

  get congested(): boolean {
    return this.#congested;
  }

  /** Bytes that have not left. */
  get backlog(): number {
    return this.#wire.backlog + this.#writer.bytes;
  }

  /** Memory of what has not left: TLS keeps what it was given until what it made of it has left. */
  get waitingBytes(): number {
    return this.#written + this.#wire.backlog + this.#writer.memory;
  }

  /** Grows whenever something has left. */
  get progress(): number {
    return this.#progress;
  }

  data(stream: number, chunk: Buffer, from: number, credit: number): number {
    if (this.#congested) return 0;
    const bytes = Math.min(chunk.length - from, credit, this.#credit, MAX_PAYLOAD);
    if (bytes <= 0) return 0;
    this.#credit -= bytes;
    this.#frames += 1;
    this.#onSent(bytes);
    if (!this.#writer.fits(bytes)) this.flush();
    this.#writer.data(stream, chunk, from, from + bytes);
    if (this.#writer.bytes >= FLUSH_BYTES) this.flush();
    else this.#schedule();
    if (this.backlog >= CONGESTED_BYTES) this.#congested = true;
    return bytes;
  }

  waitForRoom(stream: TunnelStream): void {
    this.#waiting.add(stream);
    if (!this.#congested) this.#schedule();
  }

  /** The stream has nothing more to send. */
  forget(stream: TunnelStream): void {
    this.#waiting.delete(stream);
  }

  accept(stream: number): void {
    this.frame(FRAME.accept, stream);
  }

  end(stream: number): void {
    this.frame(FRAME.end, stream);
  }

  credit(stream: number, bytes: number): void {
    if (!this.#writer.fits(4)) this.flush();
    this.#writer.number(FRAME.credit, stream, bytes);
    this.#schedule();
  }

  reset(stream: number, why: CloseReason): void {
    this.frame(FRAME.reset, stream, encodeCloseReason(why));
  }

  frame(type: number, stream: number, payload?: Buffer): void {
    if (!this.#writer.fits(payload?.length ?? 0)) this.flush();
    this.#writer.frame(type, stream, payload);
    this.#schedule();
  }

  /** The peer takes so much more of all streams together. @returns false when that is more than can be */
  addCredit(bytes: number): boolean {
    this.#credit += bytes;
    if (this.#waiting.size > 0) this.#schedule();
    return this.#credit <= MAX_WINDOW;
  }

  /** Sends now what was collected. */
  flush(): void {
    const slab = this.#writer.take();
    if (!slab || this.#stopped) return;
    const { memory, used } = slab;
    this.#writes += 1;
    this.#written += memory.length;
    this.#wire.write(memory.subarray(0, used), (left) => {
      this.#writes -= 1;
      this.#written -= memory.length;
      if (left) slabs.give(slab);
      this.#flushed();
    });
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
  }

  /** At the end of this turn, with what others have to send; at once where it was one at a time for a while. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#single >= SINGLE_TURNS) queueMicrotask(this.#turn);
    else setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#stopped) return;
    const now = performance.now();
    const alone = this.#frames <= 1 && now - this.#lastTurn > SAME_TURN_MS;
    this.#single = alone ? this.#single + 1 : 0;
    this.#lastTurn = now;
    this.#frames = 0;
    if (!this.#congested && this.#waiting.size > 0) this.#pump();
    this.#flushNext();
  };

  /** One write after the other: what is collected meanwhile leaves together, and a peer that reads nothing holds one and not many. */
  #flushNext(): void {
    if (this.#writes === 0) this.flush();
  }

  #flushed(): void {
    this.#progress += 1;
    this.#flushNext();
    if (!this.#congested || this.backlog > RELIEVED_BYTES) return;
    this.#congested = false;
    if (this.#waiting.size > 0) this.#schedule();
  }

  /** Each stream that waits has its turn; those that have more to send wait at the end of the line. */
  #pump(): void {
    for (const stream of [...this.#waiting]) {
      if (this.#congested) return;
      this.#waiting.delete(stream);
      if (stream.pump(QUANTUM) && !stream.isClosed) this.#waiting.add(stream);
    }
    if (this.#waiting.size > 0 && !this.#congested && this.#credit > 0) this.#schedule();
  }
}

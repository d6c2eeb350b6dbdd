import type { ResetReason } from '#core/refusals.ts';

import type { Leg, LegEvents } from '../bytes/leg.ts';
import { Packs, ownCopy } from '../bytes/packs.ts';
import { MEMORY_COSTS } from '../memory/costs.ts';
import { StreamReset, codeOf } from '../refusals/reset-reason.ts';
import type { CloseReason } from './frames/payloads.ts';
import type { StreamHeader } from '../transport/transport.ts';
import type { ReceiveWindow } from './receive-window.ts';

/** The sending half of a tunnel, as its streams use it. */
export interface StreamSender {
  /** Whether so much waits to leave that nobody must add to it. */
  readonly congested: boolean;
  /**
   * Sends as much of a chunk as may go now.
   *
   * @param credit what the stream's receiver still takes
   * @returns how many bytes of it
   */
  data(stream: number, chunk: Buffer, from: number, credit: number): number;
  /** Calls `pump` of the stream when things may go again. */
  waitForRoom(stream: TunnelStream): void;
  accept(stream: number): void;
  end(stream: number): void;
  credit(stream: number, bytes: number): void;
  reset(stream: number, why: CloseReason): void;
}

/** A reader that could not take more for so long does not keep up. */
const SLOW_MS = 20;

/** One stream of a tunnel, as one of the two ends of a proxied connection. */
export class TunnelStream implements Leg {
  readonly lends = false;
  readonly copies = true;
  readonly id: number;
  readonly header: StreamHeader;
  readonly window: ReceiveWindow;
  readonly #sender: StreamSender;
  readonly #onAccepted: (stream: TunnelStream) => void;
  readonly #onClosed: (stream: TunnelStream) => void;
  #events: LegEvents | undefined;
  #onConsent: ((why?: StreamReset) => void) | undefined;
  /** Credit for what we send. */
  #credit: number;
  #accepted = false;
  #closed = false;
  #ended = false;
  #peerEnded = false;
  #endWanted = false;
  #drainWanted = false;
  #paused = false;
  #pausedAt = 0;
  /** What waits for credit or room: chunks, and how much of the first one is gone. */
  #queue: Buffer[] = [];
  #queueFrom = 0;
  #queued = 0;
  /** What came before anybody wanted it. */
  #early: Packs | undefined;
  #onLost: (() => void) | undefined;
  #why: StreamReset | undefined;
  #told = false;

  constructor(options: {
    readonly id: number;
    readonly header: StreamHeader;
    readonly sender: StreamSender;
    /** One side has consented to what the other one asked for. */
    readonly onAccepted: (stream: TunnelStream) => void;
    /** Both directions are over, in peace or not. */
    readonly onClosed: (stream: TunnelStream) => void;
    readonly window: ReceiveWindow;
    readonly credit: number;
  }) {
    this.id = options.id;
    this.header = options.header;
    this.window = options.window;
    this.#sender = options.sender;
    this.#onAccepted = options.onAccepted;
    this.#onClosed = options.onClosed;
    this.#credit = options.credit;
  }

  /** Bytes that were written and have not left the stream. */
  get pendingBytes(): number {
    return this.#queued;
  }

  get fixedBytes(): number {
    return MEMORY_COSTS.stream;
  }

  get waitingBytes(): number {
    // The part of a chunk that is gone is kept with the rest.
    return this.#queued + this.#queueFrom + (this.#early?.memory ?? 0);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Resolves when the peer consents. @throws StreamReset */
  consent(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#why) return reject(this.#why);
      if (this.#accepted) return resolve();
      this.#onConsent = (why) => (why ? reject(why) : resolve());
    });
  }

  /** Calls back when the stream is lost; the last one who asked. */
  whenLost(callback: (() => void) | undefined): void {
    this.#onLost = callback;
  }

  /** Consents to a stream of the peer: its application may be answered. */
  accept(): void {
    if (this.#closed || this.#accepted) return;
    this.#accepted = true;
    this.#onAccepted(this);
    this.#sender.accept(this.id);
  }

  carry(events: LegEvents): void {
    const first = !this.#events;
    this.#events = events;
    if (!first) return;
    const early = this.#early?.take() ?? [];
    this.#early = undefined;
    for (const chunk of early) events.onData(chunk);
    this.#giveCredit();
    if (this.#peerEnded && !this.#why) events.onEnd();
    if (this.#closed) this.#tellClosed();
  }

  write(chunk: Buffer): boolean {
    if (this.#closed || this.#endWanted) return true;
    const sent = this.#queued === 0 ? this.#send(chunk, 0, chunk.length) : 0;
    if (sent < chunk.length) {
      this.#queue.push(ownCopy(sent === 0 ? chunk : chunk.subarray(sent)));
      this.#queued += chunk.length - sent;
      if (this.#credit > 0) this.#sender.waitForRoom(this);
    } else if (!this.#sender.congested) return true;
    else this.#sender.waitForRoom(this);
    this.#drainWanted = true;
    return false;
  }

  end(): void {
    if (this.#closed || this.#endWanted) return;
    this.#endWanted = true;
    if (this.#queued === 0) this.#sendEnd();
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#pausedAt = performance.now();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (performance.now() - this.#pausedAt > SLOW_MS) this.window.slow();
    this.#giveCredit();
  }

  /** Ends both directions at once and tells the peer why. */
  reset(why: ResetReason = 'app-reset', text = ''): void {
    if (this.#closed) return;
    const closeReason = { code: codeOf(why), text };
    this.#sender.reset(this.id, closeReason);
    this.lost(new StreamReset(closeReason));
  }

  /** Sends what waits, up to `quantum` bytes. @returns whether something is left that could go had it room */
  pump(quantum: number): boolean {
    if (this.#closed) return false;
    let left = quantum;
    while (this.#queued > 0 && left > 0 && this.#credit > 0) {
      const chunk = this.#queue[0]!;
      const sent = this.#send(chunk, this.#queueFrom, left);
      if (sent === 0) return true;
      left -= sent;
      this.#queued -= sent;
      this.#queueFrom += sent;
      if (this.#queueFrom < chunk.length) continue;
      this.#queue.shift();
      this.#queueFrom = 0;
    }
    if (this.#queued > 0) return this.#credit > 0;
    if (this.#endWanted && !this.#ended) this.#sendEnd();
    else if (this.#drainWanted) {
      this.#drainWanted = false;
      this.#events?.onDrain();
    }
    return false;
  }

  /** The peer takes so much more. @returns false when that is more than can be */
  addCredit(bytes: number, most: number): boolean {
    this.#credit += bytes;
    if (this.#credit > most) return false;
    if (this.#queued > 0) this.#sender.waitForRoom(this);
    return true;
  }

  /** The peer consents. */
  onAccept(): void {
    this.#accepted = true;
    this.#onAccepted(this);
    this.#onConsent?.();
    this.#onConsent = undefined;
  }

  get isAccepted(): boolean {
    return this.#accepted;
  }

  /** Bytes of the peer. */
  onData(chunk: Buffer): void {
    if (!this.#events) return void (this.#early ??= new Packs()).add(chunk);
    this.#events.onData(chunk);
    this.#giveCredit();
  }

  /** The peer has said everything. @returns false when it had said so before */
  onEnd(): boolean {
    if (this.#peerEnded) return false;
    this.#peerEnded = true;
    this.#events?.onEnd();
    this.#closeWhenBothEnded();
    return true;
  }

  get hasPeerEnded(): boolean {
    return this.#peerEnded;
  }

  /** It is over, and not in peace. */
  lost(why: StreamReset): void {
    if (this.#closed) return;
    this.#why = why;
    this.#close();
    this.#onConsent?.(why);
    this.#onConsent = undefined;
    this.#onLost?.();
    this.#tellClosed();
  }

  /** @returns how much of it was sent */
  #send(chunk: Buffer, from: number, most: number): number {
    let at = from;
    const end = Math.min(chunk.length, from + most);
    while (at < end && this.#credit > 0) {
      const sent = this.#sender.data(this.id, chunk, at, Math.min(this.#credit, end - at));
      if (sent === 0) break;
      this.#credit -= sent;
      at += sent;
    }
    return at - from;
  }

  #giveCredit(): void {
    if (this.#paused || this.#closed) return;
    const credit = this.window.credit();
    if (credit > 0) this.#sender.credit(this.id, credit);
  }

  #tellClosed(): void {
    if (this.#told || !this.#events) return;
    this.#told = true;
    this.#events.onClose(this.#why ? { clean: false, why: this.#why } : { clean: true });
  }

  #sendEnd(): void {
    this.#ended = true;
    this.#sender.end(this.id);
    this.#closeWhenBothEnded();
  }

  #closeWhenBothEnded(): void {
    if (this.#closed || !this.#ended || !this.#peerEnded) return;
    this.#close();
    this.#tellClosed();
  }

  #close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#queued = 0;
    this.#queueFrom = 0;
    if (this.#why) this.#early = undefined;
    this.window.close();
    this.#onClosed(this);
  }
}

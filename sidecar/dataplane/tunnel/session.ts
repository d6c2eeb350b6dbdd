import type { Clock } from '#base/clock.ts';
import type { ResetReason } from '#core/refusals.ts';

import { StreamReset } from '../refusals/reset-reason.ts';
import type { StreamHeader } from '../transport/transport.ts';
import { BulkMeter } from './bulk-meter.ts';
import { ConnectionCredit } from './connection-credit.ts';
import { FRAME_COSTS } from '../memory/frame-budget.ts';
import type { FrameBudget } from '../memory/frame-budget.ts';
import { FrameReader, ProtocolError } from './frames/frame-reader.ts';
import type { FrameHandler } from './frames/frame-reader.ts';
import { Liveness } from './liveness.ts';
import { Outbox } from './outbox.ts';
import { FRAME_UNITS, OPEN_UNITS, PacedReader } from './frames/paced-reader.ts';
import {
  decodeCloseReason,
  decodeHello,
  decodeNumber,
  decodeOpen,
  encodeHello,
  encodeOpen,
} from './frames/payloads.ts';
import {
  BASE_LIMITS,
  FRAME,
  GROWTH_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW,
  VOUCH_BYTES,
} from './frames/protocol.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { WindowShare } from './receive-window.ts';
import { SessionClose, streamLoss } from './session-close.ts';
import type { SessionEnd, SessionEvents, SessionOptions } from './session-options.ts';
import { TunnelStream } from './tunnel-stream.ts';
import type { Wire, WireEvents } from './tls-wire.ts';

export type { SessionEnd, SessionEvents, SessionOptions } from './session-options.ts';

/** A peer that makes us say this much and does not read it is given up. */
const MAX_BACKLOG_BYTES = 1_048_576;

/** One tunnel: the streams of a connection between two sidecars. docs/tunnel.md says what goes over the wire. */
export class TunnelSession implements FrameHandler, WireEvents {
  readonly #role: SessionOptions['role'];
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #events: SessionEvents;
  readonly #outbox: Outbox;
  readonly #reader = new FrameReader(this);
  readonly #reads: PacedReader;
  readonly #frames: FrameBudget;
  readonly #onArrived: (bytes: number) => void;
  readonly #streams = new Map<number, TunnelStream>();
  /** Those of them that nobody has consented to yet. */
  readonly #asking = new Set<TunnelStream>();
  readonly #bulk = new BulkMeter();
  readonly #liveness: Liveness;
  readonly #closing: SessionClose;
  readonly #share: WindowShare;
  #peer = BASE_LIMITS;
  #greeted = false;
  /** The highest stream that was opened. */
  #lastId = 0;
  readonly #received = new ConnectionCredit();
  /** The stream whose data is being read; undefined for one that is closed already. */
  #reading: TunnelStream | undefined;
  #end: SessionEnd | undefined;

  constructor({ role, wire, clock, growth, frames, onArrived, lingerMs, events }: SessionOptions) {
    this.#role = role;
    this.#wire = wire;
    this.#clock = clock;
    this.#events = events;
    this.#frames = frames;
    this.#onArrived = onArrived ?? (() => undefined);
    this.#reads = new PacedReader({
      wire,
      reader: this.#reader,
      onFault: ({ message }) => this.close('protocol-error', message),
    });
    this.#outbox = new Outbox(wire, BASE_LIMITS.connectionWindow, (bytes) => this.#moved(bytes));
    this.#closing = new SessionClose({
      ...{ role, wire, clock, lingerMs, outbox: this.#outbox },
      onOverdue: (why) => this.#drop(why),
    });
    this.#share = {
      budget: growth,
      spare: Math.min(GROWTH_BYTES, growth.bytes / 2),
      released: (bytes) => this.#credit(bytes),
    };
    this.#liveness = new Liveness(clock, {
      ping: () => this.#outbox.frame(FRAME.ping, 0, Buffer.alloc(8)),
      dead: (text) => this.abort('tunnel-lost', text),
      sending: () => ({ waiting: this.#outbox.backlog > 0, progress: this.#outbox.progress }),
    });
  }

  /** Says hello and begins to read. */
  start(): void {
    this.#outbox.frame(FRAME.hello, 0, encodeHello(BASE_LIMITS));
    this.#liveness.start();
    this.#wire.start(this);
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Streams that are open and were consented to. */
  get acceptedStreams(): number {
    return this.#streams.size - this.#asking.size;
  }

  /** Memory of what waits here to be sent, or to be read, and of streams that nobody has consented to. */
  get waitingBytes(): number {
    let bytes = this.#outbox.waitingBytes + this.#reads.waitingBytes;
    for (const stream of this.#asking) bytes += stream.fixedBytes + stream.waitingBytes;
    return bytes;
  }

  /** Whether another stream may be opened here. */
  get takesStreams(): boolean {
    if (this.#end || this.isLeaving || this.#liveness.doubtful) return false;
    // Whatever the peer takes: our own window for the connection is made for so many.
    return this.#streams.size < BASE_LIMITS.maxStreams && this.#lastId < MAX_STREAM_ID;
  }

  /** Whether a stream moves much in large pieces right now: small ones are better off elsewhere. */
  get carriesBulk(): boolean {
    return this.#bulk.isHeavy(this.#clock.now());
  }

  /** Whether one side opens, or takes, no more streams here. */
  get isLeaving(): boolean {
    return this.#closing.own !== undefined || this.#closing.peer !== undefined;
  }

  /** Why the peer takes no more streams, where it has said so. */
  get peerLeaving(): SessionEnd | undefined {
    return this.#closing.peer;
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /** Opens a stream. Bytes may be written to it at once; what the peer thinks of it is told by its `consent`. */
  open(header: StreamHeader): TunnelStream {
    const stream = this.#add(++this.#lastId, header);
    if (this.#end) {
      stream.lost(streamLoss(this.#end));
      return stream;
    }
    this.#outbox.frame(FRAME.open, stream.id, encodeOpen(header));
    return stream;
  }

  /** Neither opens nor takes streams from now on; closes when those that are open have ended. Idempotent. */
  goAway(why: ResetReason, text: string): void {
    if (this.#closing.own || this.#end) return;
    this.#closing.leave(why, text);
    this.#closeWhenDone();
  }

  /** Says that the tunnel with this proof is of this process too. */
  vouch(proof: string): void {
    this.#outbox.frame(FRAME.vouch, 0, Buffer.from(proof, 'hex'));
  }

  /** Ends the tunnel and every stream of it, telling the peer why. Idempotent. */
  close(why: ResetReason, text: string): void {
    if (this.#end) return;
    this.#closing.say(why, text);
    this.#closing.endWire();
    // Nothing that it says matters any more, and reading it takes time.
    if (why === 'protocol-error') this.#wire.pause();
    this.#finish({ reason: why, text });
  }

  /** Ends the tunnel and every stream of it at once; the peer sees a lost connection. Idempotent. */
  abort(why: ResetReason, text: string): void {
    this.#drop({ reason: why, text });
  }

  onBytes(chunk: Buffer): void {
    if (this.#end) return;
    this.#liveness.heard();
    this.#onArrived(chunk.length);
    this.#reads.push(chunk);
  }

  onClose(): void {
    this.#closing.stop();
    if (!this.#end) this.#reads.finish();
    this.#finish(this.#closing.wireClosed(this.#streams.size === 0));
  }

  dataBegins(id: number, length: number): void {
    this.#reads.spend(FRAME_UNITS);
    const stream = this.#known(id, 'DATA');
    if (!this.#received.receive(length))
      throw new ProtocolError('more data than the connection has credit for');
    this.#reading = stream;
    if (!stream) {
      this.#spend(FRAME_COSTS.lateData + length * FRAME_COSTS.lostByte);
      return this.#credit(length);
    }
    if (stream.hasPeerEnded) throw new ProtocolError('DATA on a stream after its END');
    if (this.#role === 'dialer' && !stream.isAccepted)
      throw new ProtocolError('DATA on a stream before its ACCEPT');
    if (!stream.window.receive(length)) throw new ProtocolError('more data than the stream has credit for');
    // What comes before the consent may be for nothing.
    if (stream.isAccepted) this.#moved(length);
    this.#spend(length > 0 ? FRAME_COSTS.data : FRAME_COSTS.frame);
  }

  unknownBegins(length: number): void {
    this.#spend(length * FRAME_COSTS.lostByte);
  }

  dataPiece(piece: Buffer): void {
    const stream = this.#reading;
    if (stream && !stream.isClosed) stream.onData(piece);
  }

  frame(type: number, id: number, payload: Buffer): void {
    this.#reads.spend(type === FRAME.open ? OPEN_UNITS : FRAME_UNITS);
    this.#handle(type, id, payload);
    if (this.#outbox.backlog > MAX_BACKLOG_BYTES) throw new ProtocolError('the peer does not read');
  }

  #handle(type: number, id: number, payload: Buffer): void {
    if (!this.#greeted) {
      if (type !== FRAME.hello) throw new ProtocolError('the first frame is not a HELLO');
      this.#greeted = true;
      return this.#hello(decodeHello(payload));
    }
    switch (type) {
      case FRAME.open:
        return this.#opened(id, decodeOpen(payload));
      case FRAME.accept:
        return this.#accepted(id);
      case FRAME.end:
        return this.#ended(id);
      case FRAME.reset:
        return this.#reset(id, payload);
      case FRAME.credit:
        return this.#credited(id, decodeNumber(payload));
      case FRAME.goAway:
        return this.#leave(payload);
      default:
        this.#spend();
        if (type === FRAME.ping) this.#outbox.frame(FRAME.pong, 0, payload);
        else if (type === FRAME.vouch && payload.length === VOUCH_BYTES)
          this.#events.onVouch?.(payload.toString('hex'));
        else if (type === FRAME.hello) throw new ProtocolError('a second HELLO');
    }
  }

  #hello(limits: typeof BASE_LIMITS): void {
    this.#outbox.addCredit(limits.connectionWindow - BASE_LIMITS.connectionWindow);
    for (const stream of this.#streams.values()) {
      stream.addCredit(limits.streamWindow - BASE_LIMITS.streamWindow, MAX_WINDOW);
    }
    this.#peer = limits;
  }

  #opened(id: number, header: StreamHeader): void {
    if (this.#role === 'dialer') throw new ProtocolError('an OPEN from the side that takes streams');
    if (id <= this.#lastId || id > MAX_STREAM_ID)
      throw new ProtocolError('an OPEN whose number is not a new one');
    this.#lastId = id;
    this.#spend();
    const stream = this.#add(id, header);
    if (this.#closing.own) return stream.reset('draining', this.#closing.own.text);
    if (this.#streams.size > BASE_LIMITS.maxStreams) {
      return stream.reset('limit', `a tunnel takes ${BASE_LIMITS.maxStreams} streams`);
    }
    this.#events.onStream?.(stream);
  }

  #accepted(id: number): void {
    const stream = this.#known(id, 'ACCEPT');
    if (this.#role === 'acceptor') throw new ProtocolError('an ACCEPT from the side that opens streams');
    if (!stream) return this.#spend();
    if (stream.isAccepted) throw new ProtocolError('a second ACCEPT for a stream');
    stream.onAccept();
  }

  #ended(id: number): void {
    const stream = this.#known(id, 'END');
    if (!stream) return this.#spend();
    if (this.#role === 'dialer' && !stream.isAccepted)
      throw new ProtocolError('END on a stream before its ACCEPT');
    if (!stream.onEnd()) throw new ProtocolError('a second END for a stream');
  }

  #reset(id: number, payload: Buffer): void {
    const closeReason = decodeCloseReason(payload);
    const stream = this.#known(id, 'RESET');
    // A refusal ends a stream that this side opened: nothing that the peer could do more often than that.
    if (!stream || (this.#role === 'acceptor' && !stream.isAccepted)) this.#spend();
    stream?.lost(new StreamReset(closeReason));
  }

  #credited(id: number, bytes: number): void {
    this.#spend();
    if (bytes === 0 || bytes > MAX_WINDOW) throw new ProtocolError(`a credit of ${bytes} bytes`);
    const enough =
      id === 0 ? this.#outbox.addCredit(bytes) : this.#known(id, 'CREDIT')?.addCredit(bytes, MAX_WINDOW);
    if (enough === false) throw new ProtocolError('more credit than a window can hold');
  }

  #leave(payload: Buffer): void {
    this.#spend();
    const why = this.#closing.peerLeaves(payload);
    this.#events.onGoAway?.(why);
    this.#closeWhenDone();
  }

  /** @returns undefined for a stream that has ended. @throws ProtocolError for one that never was */
  #known(id: number, what: string): TunnelStream | undefined {
    if (!this.#greeted) throw new ProtocolError('the first frame is not a HELLO');
    if (id === 0 || id > this.#lastId) throw new ProtocolError(`${what} on a stream that was never opened`);
    return this.#streams.get(id);
  }

  #moved(bytes: number): void {
    this.#frames.earn(bytes);
    this.#bulk.moved(bytes);
  }

  #spend(units: number = FRAME_COSTS.frame): void {
    if (!this.#frames.spend(units)) throw new ProtocolError('far more frames without work than work');
  }

  #add(id: number, header: StreamHeader): TunnelStream {
    const stream = new TunnelStream({
      id,
      header,
      sender: this.#outbox,
      window: new ReceiveWindow(BASE_LIMITS.streamWindow, this.#share),
      credit: this.#peer.streamWindow,
      onAccepted: (accepted) => {
        this.#asking.delete(accepted);
        this.#frames.accepted();
      },
      onClosed: (closed) => this.#remove(closed),
    });
    this.#streams.set(id, stream);
    this.#asking.add(stream);
    return stream;
  }

  #remove(stream: TunnelStream): void {
    this.#streams.delete(stream.id);
    this.#asking.delete(stream);
    this.#outbox.forget(stream);
    if (this.#streams.size > 0 || this.#end) return;
    this.#events.onIdle?.();
    this.#closeWhenDone();
  }

  /** Bytes that are held no longer: the peer may send as many more, of whatever stream. */
  #credit(bytes: number): void {
    const credit = this.#received.release(bytes);
    if (credit > 0 && !this.#end) this.#outbox.credit(0, credit);
  }

  #closeWhenDone(): void {
    if (this.#streams.size > 0 || this.#end) return;
    const why = this.#closing.due();
    if (!why) return;
    this.#closing.endWire();
    this.#finish(why);
  }

  #drop(why: SessionEnd): void {
    this.#wire.reset();
    this.#finish(why);
  }

  #finish(why: SessionEnd): void {
    if (this.#end) return;
    this.#end = why;
    this.#reader.stop();
    this.#reads.stop();
    this.#outbox.stop();
    this.#liveness.stop();
    for (const stream of [...this.#streams.values()]) stream.lost(streamLoss(why));
    this.#events.onClose(why);
  }
}

import { Socket } from 'node:net';

/**
 * What all lean sockets read into: a read hands out everything the kernel has, up to this, and its memory stays warm. A
 * buffer for every read, which is what Node makes otherwise, costs twice the processor time of the whole transfer.
 */
const READ_BYTES = 262_144;
let shared: Buffer | undefined;

/** Bytes taken from one socket before the others have their turn. */
const BYTES_PER_TURN = 262_144;
/** Reads below this are not counted. */
const SMALL_BYTES = 16_384;
/** Bytes that may wait to be written before the writer is told to wait. */
const WRITABLE_HIGH_WATER_MARK = 131_072;

/** What Node keeps to itself of a socket that was accepted. Guarded by the tests of this file. */
interface Accepted {
  _handle: unknown;
  _server?: unknown;
  server?: unknown;
}

/**
 * A TCP socket that reads into one buffer shared by all of them. What {@link onBytes} is given is only good during the call.
 * It emits no `data`; everything else is as with any socket. Paused until `resume`.
 */
export class LeanSocket extends Socket {
  /** Called with whatever arrives; nothing is read before `resume`. */
  onBytes: ((chunk: Buffer) => void) | undefined;
  #thisTurn = 0;

  constructor(handle?: unknown) {
    shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
    super({
      allowHalfOpen: true,
      writableHighWaterMark: WRITABLE_HIGH_WATER_MARK,
      onread: { buffer: shared, callback: (bytes: number) => this.#read(bytes) },
      ...(handle ? { handle, pauseOnCreate: true } : {}),
    } as never);
    this.pause();
  }

  /**
   * Makes a lean socket of one that a server just accepted and that nobody has read from; the given one is not to be used any
   * more. Node lets a program choose how to read only for sockets that it opens itself.
   */
  static of(accepted: Socket): LeanSocket {
    const inside = accepted as unknown as Accepted;
    const lean = new LeanSocket(inside._handle);
    // The server counts its connections, and is told by the socket when it closes.
    const { server, _server } = inside;
    Object.assign(lean, { server, _server });
    Object.assign(inside, { _handle: null, _server: null, server: null });
    return lean;
  }

  #read(bytes: number): boolean {
    this.onBytes?.(shared!.subarray(0, bytes));
    if (bytes < SMALL_BYTES) return true;
    if (this.#thisTurn === 0) setImmediate(this.#nextTurn);
    this.#thisTurn += bytes;
    return this.#thisTurn < BYTES_PER_TURN;
  }

  readonly #nextTurn = (): void => {
    const wasHeld = this.#thisTurn >= BYTES_PER_TURN;
    this.#thisTurn = 0;
    if (wasHeld && !this.destroyed && !this.isPaused()) this.resume();
  };
}

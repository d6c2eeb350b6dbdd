import { Socket } from 'node:net';

/**
 * What all lean sockets read into: its memory stays warm. A buffer for every read, which is what Node makes otherwise, costs
 * twice the processor time of the whole transfer.
 */
const LARGE_READ_BYTES = 262_144;
/**
 * What a socket reads at once, so that one whose bytes nobody takes has brought no more than this. Where that is filled and taken,
 * all that the kernel has is read at once, by a few sockets at a time.
 */
const SMALL_READ_BYTES = 16_384;
const MOST_LARGE_READERS = 16;
let shared: Buffer | undefined;
let large = 0;

/** Bytes taken from one socket before the others have their turn. */
const BYTES_PER_TURN = 262_144;
/** Bytes that may wait to be written before the writer is told to wait: of a stream of a tunnel, half of what it may bring at first. */
const WRITABLE_HIGH_WATER_MARK = 16_384;

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
  /** Where the next read goes, told to Node when it changes. */
  readonly #target: { next: Buffer | undefined };
  #isLarge = false;
  #thisTurn = 0;

  constructor(handle?: unknown) {
    shared ??= Buffer.allocUnsafeSlow(LARGE_READ_BYTES);
    const target: { next: Buffer | undefined } = { next: shared.subarray(0, SMALL_READ_BYTES) };
    super({
      allowHalfOpen: true,
      writableHighWaterMark: WRITABLE_HIGH_WATER_MARK,
      onread: {
        buffer: () => {
          const { next } = target;
          target.next = undefined;
          return next;
        },
        callback: (bytes: number) => this.#read(bytes),
      },
      ...(handle ? { handle, pauseOnCreate: true } : {}),
    } as never);
    this.#target = target;
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

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#readLarge(false);
    super._destroy(error, callback);
  }

  #read(bytes: number): boolean {
    this.onBytes?.(shared!.subarray(0, bytes));
    if (bytes < SMALL_READ_BYTES) {
      if (this.#isLarge) this.#readLarge(false);
      return true;
    }
    this.#readLarge(!this.isPaused() && !this.destroyed);
    if (this.#thisTurn === 0) setImmediate(this.#nextTurn);
    this.#thisTurn += bytes;
    return this.#thisTurn < BYTES_PER_TURN;
  }

  /** Reads as much as there is from the next time on, or little. */
  #readLarge(wanted: boolean): void {
    if (wanted === this.#isLarge || (wanted && large >= MOST_LARGE_READERS)) return;
    this.#isLarge = wanted;
    large += wanted ? 1 : -1;
    this.#target.next = wanted ? shared : shared!.subarray(0, SMALL_READ_BYTES);
  }

  readonly #nextTurn = (): void => {
    const wasHeld = this.#thisTurn >= BYTES_PER_TURN;
    this.#thisTurn = 0;
    if (wasHeld && !this.destroyed && !this.isPaused()) this.resume();
  };
}

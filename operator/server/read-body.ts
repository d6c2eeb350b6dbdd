import type { IncomingMessage } from 'node:http';

import type { BodyBudget } from './body-budget.ts';
import { networkOf } from '#core/net/network-of.ts';

/** Why a body was not read; the label `reason` of the metric. */
export type BodyRefusal =
  /** No Content-Length: how much there will be must be known before the first byte is read. */
  | 'length-required'
  | 'too-large'
  /** No memory for it now. */
  | 'no-room'
  /** A newer one took its place before it was there. */
  | 'evicted'
  /** Its sender went away. */
  | 'incomplete';

/** The body, to be released when its work is done. */
export interface Body {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * Reads a body of at most `maxBytes`, for which there is room in the budget; one that is refused is not read at all.
 *
 * @returns why not, as a word; then the connection cannot be used for another request
 */
export async function readBody(
  request: IncomingMessage,
  { maxBytes, budget }: { readonly maxBytes: number; readonly budget: BodyBudget },
): Promise<Body | BodyRefusal> {
  const bytes = contentLength(request);
  if (bytes === undefined) return 'length-required';
  if (bytes > maxBytes) return 'too-large';
  const wanted = { network: networkOf(request.socket.remoteAddress ?? ''), bytes };
  const reading = new Reading(request, bytes);
  const place = budget.reserve(wanted, () => reading.end('evicted'));
  if (!place) return 'no-room';
  reading.begin();
  const outcome = await reading.ended;
  const release = (): void => {
    reading.free();
    place.release();
  };
  if (outcome === 'complete') {
    place.complete();
    return { bytes: reading.bytes, release };
  }
  release();
  return outcome;
}

/** Copies a body into one buffer: in pieces of one byte it would otherwise take a hundred times its size. */
class Reading {
  readonly ended: Promise<'complete' | BodyRefusal>;
  readonly #request: IncomingMessage;
  readonly #length: number;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #resolve: (outcome: 'complete' | BodyRefusal) => void = () => undefined;

  constructor(request: IncomingMessage, length: number) {
    this.#request = request;
    this.#length = length;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  begin(): void {
    this.#bytes = Buffer.allocUnsafeSlow(this.#length);
    this.#request.on('data', this.#take);
    this.#request.once('end', () => this.end(this.#at === this.#length ? 'complete' : 'incomplete'));
    // Ending twice does nothing: this is for senders that go away in the middle.
    this.#request.once('error', () => this.end('incomplete'));
    this.#request.once('close', () => this.end('incomplete'));
  }

  end(outcome: 'complete' | BodyRefusal): void {
    this.#request.off('data', this.#take);
    this.#resolve(outcome);
  }

  /** Gives the memory back now: the collector would let much more of it pile up. */
  free(): void {
    const { buffer } = this.#bytes as { buffer: ArrayBuffer & { transfer?(length: number): ArrayBuffer } };
    this.#bytes = Buffer.alloc(0);
    buffer.transfer?.(0);
  }

  readonly #take = (chunk: Buffer): void => {
    this.#at += chunk.copy(this.#bytes, this.#at);
  };
}

/** Undefined where it is missing, or the body comes in chunks. */
function contentLength({ headers }: IncomingMessage): number | undefined {
  const text = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined || text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

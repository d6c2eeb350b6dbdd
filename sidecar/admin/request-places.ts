import type { Socket } from 'node:net';

import { canonicalAddress } from '#core/net/address.ts';

import type { Clock } from '#base/clock.ts';

import { resetSocket } from '../dataplane/bytes/reset.ts';
import { FirstBytes } from '../dataplane/pending/first-bytes.ts';
import { KnownAddresses } from '../dataplane/pending/known-addresses.ts';
import { originOf } from '../dataplane/pending/origin.ts';
import { PendingConnections } from '../dataplane/pending/pending-connections.ts';
import type { PendingLimit, Place } from '../dataplane/pending/pending-connections.ts';
import { MAX_HEAD_BYTES, headOf } from './http-head.ts';
import { RequestStream } from './request-stream.ts';

/** Where a connection is: its request not whole yet, its answer under way, or its request one that only the kubelet can make. */
export type RequestPhase = 'request' | 'response' | 'probe';

/** Told of every connection that is closed because there are too many, with the network it came from. */
export type OnShed = (phase: RequestPhase, limit: PendingLimit, network: string) => void;

export interface RequestPlacesOptions {
  readonly clock: Clock;
  /** How long a client may take for the head of its request, and Node to find the request in it, milliseconds. */
  readonly headMs: number;
  readonly maxBodyBytes: number;
  readonly onRequest: (stream: RequestStream) => void;
  readonly onShed: OnShed;
}

const LIMITS: Readonly<Record<RequestPhase, { max: number; maxPerNetwork: number; maxBytes?: number }>> = {
  request: { max: 512, maxPerNetwork: 256, maxBytes: 524_288 },
  response: { max: 64, maxPerNetwork: 32 },
  probe: { max: 64, maxPerNetwork: 64 },
};

/**
 * The connections of an HTTP port. Node's server gets one when the head of its request is whole; until then, and until the answer is
 * taken, it has a place among few, where strangers displace one another and there is always room for one more who is quick. The
 * kubelet's are displaced for none of them.
 */
export class RequestPlaces {
  readonly #options: RequestPlacesOptions;
  /** Where the kubelet asks from: whoever knew a path that only readers of the pod know. */
  readonly #known: KnownAddresses;
  readonly #phases: Readonly<Record<RequestPhase, PendingConnections>>;
  readonly #places = new Map<Socket, Place>();

  constructor(options: RequestPlacesOptions) {
    const { clock } = options;
    const shared = { clock, isKnown: (address: string): boolean => this.#known.has(address) };
    this.#options = options;
    this.#known = new KnownAddresses(options);
    this.#phases = {
      request: new PendingConnections({ ...LIMITS.request, ...shared }),
      response: new PendingConnections({ ...LIMITS.response, ...shared }),
      probe: new PendingConnections({ ...LIMITS.probe, ...shared }),
    };
  }

  /** Takes an accepted connection. Never rejects. */
  async accept(socket: Socket): Promise<void> {
    const { clock, headMs, maxBodyBytes, onRequest } = this.#options;
    socket.on('error', () => undefined);
    socket.once('close', () => this.#leave(socket));
    const place = this.enter('request', socket);
    const first = new FirstBytes(socket, {
      recognise: headOf,
      maxBytes: MAX_HEAD_BYTES + maxBodyBytes,
      onHeld: (bytes) => place.hold(bytes),
      clock,
    });
    const head = await first.recognised(headMs);
    const { bytes } = first;
    first.drop();
    if (typeof head === 'string') return resetSocket(socket);
    const whole = { head: bytes.subarray(0, head.bytes), rest: bytes.subarray(head.bytes), maxBodyBytes };
    const late = clock.setTimeout(() => {
      if (this.#places.get(socket) === place) resetSocket(socket);
    }, headMs);
    socket.once('close', () => late.cancel());
    onRequest(new RequestStream(socket, whole));
  }

  /** Gives a connection a place in another phase. */
  enter(phase: RequestPhase, socket: Socket): Place {
    this.#places.get(socket)?.release();
    const origin = originOf(canonicalAddress(socket.remoteAddress ?? ''));
    if (phase === 'probe') this.#known.add(origin.address);
    const place = this.#phases[phase].add(origin, () => {
      this.#options.onShed(phase, place.evicted ?? 'total', origin.network);
      resetSocket(socket);
    });
    this.#places.set(socket, place);
    return place;
  }

  /** Ends every connection. */
  closeAll(): void {
    for (const socket of [...this.#places.keys()]) socket.destroy();
  }

  #leave(socket: Socket): void {
    this.#places.get(socket)?.release();
    this.#places.delete(socket);
  }
}

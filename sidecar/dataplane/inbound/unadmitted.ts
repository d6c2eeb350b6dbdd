import type { Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';

import { ConnectionRefusal } from '../refusals/refusal.ts';
import { resetSocket } from '../bytes/reset.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import { FirstBytes } from '../pending/first-bytes.ts';
import { KnownAddresses } from '../pending/known-addresses.ts';
import type { Origin } from '../pending/origin.ts';
import { PendingConnections } from '../pending/pending-connections.ts';
import type { PendingLimit, Place } from '../pending/pending-connections.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { OwnService } from '../interfaces/own-service.ts';
import { MAX_GREETING_BYTES, greetingOf } from '#core/net/client-hello.ts';
import type { Greeting } from '#core/net/client-hello.ts';
import { HandshakeQueue } from './handshake-queue.ts';
import type { Handshake, TlsAcceptor } from './tls-acceptor.ts';

export interface UnadmittedDeps {
  readonly acceptor: TlsAcceptor;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  readonly own: OwnService;
}

/** Ends the time in which a connection counts among those of strangers. */
export interface Admission {
  /** Its peer proved who it is. */
  admitted(): void;
  /** It is allowed besides: where there is not enough for all, its address comes before strangers from now on. */
  allowed(): void;
}

/**
 * How long a handshake cannot be evicted, milliseconds: as long as one takes between continents, and, where it would be for an address
 * whose peers were let in, a few round trips inside a cluster.
 */
const HANDSHAKE_GRACE = { graceMs: 500, graceForKnownMs: 100 };

/**
 * Inbound connections before their peer is admitted. Until a whole ClientHello is there a connection has no TLS state, which takes
 * a hundred times the memory; from then on until the peer is admitted it has, and so these are far fewer.
 */
export class Unadmitted {
  readonly #deps: UnadmittedDeps;
  readonly #known: KnownAddresses;
  readonly #greetings: PendingConnections;
  readonly #handshakes: PendingConnections;
  readonly #queue: HandshakeQueue;

  constructor(deps: UnadmittedDeps) {
    const { clock, settings } = deps;
    this.#deps = deps;
    const isKnown = (address: string): boolean => this.#known.has(address);
    this.#known = new KnownAddresses(deps);
    this.#greetings = new PendingConnections({
      clock,
      isKnown,
      max: settings.maxGreetings,
      maxPerNetwork: settings.maxGreetingsPerNetwork,
      maxBytes: settings.maxGreetingBytes,
    });
    const handshakes = new PendingConnections({
      clock,
      isKnown,
      max: settings.maxHandshakes,
      maxPerNetwork: settings.maxHandshakesPerNetwork,
      ...HANDSHAKE_GRACE,
    });
    this.#handshakes = handshakes;
    this.#queue = new HandshakeQueue({ clock, isKnown, hasRoom: (origin) => handshakes.hasRoom(origin) });
  }

  /**
   * The TLS handshake of a connection, begun when its whole ClientHello is there and its turn has come.
   *
   * @throws ConnectionRefusal
   */
  async handshake(raw: Socket, origin: Origin): Promise<Handshake & { readonly admission: Admission }> {
    const { clock, settings, acceptor } = this.#deps;
    const deadline = clock.now() + settings.handshakeMs;
    const first = await this.#greeting(raw, origin);
    const place = this.#place(this.#handshakes, 'handshake', { raw, origin });
    first.giveBack();
    try {
      const handshake = await acceptor.handshake(raw, Math.max(1, deadline - clock.now()));
      return { ...handshake, admission: this.#admission(place, origin) };
    } catch (error) {
      throw place.evicted ? EVICTED[place.evicted] : error;
    }
  }

  /** Waits for the ClientHello, and for its turn. */
  async #greeting(raw: Socket, origin: Origin): Promise<FirstBytes<Greeting>> {
    const { clock, settings, own } = this.#deps;
    this.#queue.arrived();
    const place = this.#place(this.#greetings, 'greeting', { raw, origin });
    const first = new FirstBytes(raw, {
      recognise: greetingOf,
      maxBytes: MAX_GREETING_BYTES,
      onHeld: (bytes) => place.hold(bytes),
      clock,
    });
    const deadline = clock.now() + settings.handshakeMs;
    const what = await first.recognised(settings.handshakeMs);
    const begins = what === 'tls' && (await this.#queue.turn(origin, raw, deadline));
    place.release();
    if (begins) return first;
    first.drop();
    if (place.evicted) throw EVICTED[place.evicted];
    const permissive = own.mtls() === 'permissive';
    throw notBegun(raw.destroyed && what === 'tls' ? 'gone' : what, { ms: settings.handshakeMs, permissive });
  }

  #place(
    places: PendingConnections,
    phase: 'greeting' | 'handshake',
    { raw, origin }: { readonly raw: Socket; readonly origin: Origin },
  ): Place {
    const place = places.add(origin, () => {
      this.#deps.metrics.shed('inbound', phase, place.evicted ?? 'total');
      resetSocket(raw);
    });
    raw.once('close', () => place.release());
    return place;
  }

  #admission(place: Place, { address }: Origin): Admission {
    return {
      admitted: () => place.release(),
      allowed: () => {
        place.release();
        this.#known.add(address);
      },
    };
  }
}

/** Made once: refusing must cost less than what is refused. */
const EVICTED: Readonly<Record<PendingLimit, ConnectionRefusal>> = {
  address: evicted(
    'too many connections of this address wait to be admitted; the oldest was closed',
    'address',
  ),
  total: evicted(
    'too many connections wait to be admitted; the oldest of the address with most was closed',
    'total',
  ),
  bytes: evicted('connections that wait to be admitted hold too much; the one with most was closed', 'bytes'),
};

function evicted(message: string, limit: PendingLimit): ConnectionRefusal {
  return new ConnectionRefusal('limit', message, { limit });
}

/** @param permissive whether the service takes cleartext where it was redirected */
function notBegun(
  what: Awaited<ReturnType<FirstBytes<Greeting>['recognised']>>,
  { ms, permissive }: { readonly ms: number; readonly permissive: boolean },
): ConnectionRefusal {
  switch (what) {
    case 'cleartext':
      return new ConnectionRefusal(
        'plaintext',
        permissive
          ? 'the peer does not speak TLS, and the port of the sidecar takes mutual TLS only; mtls: permissive is about cleartext that was redirected'
          : 'the peer does not speak TLS, and this service takes mutual TLS only',
      );
    case 'silent':
      return new ConnectionRefusal(
        'plaintext',
        `the peer said nothing for ${ms} ms, as one does who waits for a cleartext server to speak first`,
      );
    case 'incomplete':
      return new ConnectionRefusal('handshake-timeout', `no whole ClientHello within ${ms} ms`);
    case 'malformed':
    case 'too-long':
      return new ConnectionRefusal(
        'handshake-failed',
        'the TLS handshake failed: what the peer sent is not a valid ClientHello',
      );
    case 'tls':
      return new ConnectionRefusal('handshake-timeout', `the TLS handshake could not begin within ${ms} ms`);
    case 'gone':
      return new ConnectionRefusal('client-gone', 'the peer closed the connection without a word');
  }
}

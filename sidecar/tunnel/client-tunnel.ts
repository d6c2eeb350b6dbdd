import type { Clock, Timer } from '#kube/clock.ts';

import { LivingPeer } from '../connection/living-peer.ts';
import type { PeerConnection } from '../transport/peer-dialer.ts';
import { tunnelProof } from './proof.ts';
import { TunnelSession } from './session.ts';
import type { SessionEnd } from './session.ts';
import type { WindowBudget } from './window-budget.ts';
import { TlsWire } from './wire.ts';

export interface ClientTunnelOptions {
  readonly connection: PeerConnection;
  readonly clock: Clock;
  readonly budget: WindowBudget;
  /** How long it is kept without a stream, milliseconds. */
  readonly idleMs: number;
  /** The peer confirms that an older tunnel is of this process too. */
  readonly onVouch: (proof: string) => void;
  /** The peer's certificate ends soon: it will have a newer one by now. Told again while it has not, ever sooner. */
  readonly onAging: () => void;
  readonly onClose: (why: SessionEnd) => void;
}

/** The last part of a certificate's life, by which a peer has long renewed its own. */
const AGED = 0.05;
/** Nearer to its end a certificate is not looked at again, milliseconds: no dial would come back in time. */
const TOO_LATE_MS = 100;

/** A tunnel that this side opened. */
export class ClientTunnel {
  readonly session: TunnelSession;
  readonly peer: LivingPeer;
  /** Version of our identity that was shown. */
  readonly version: number;
  /** See {@link tunnelProof}. */
  readonly proof: string;
  readonly #clock: Clock;
  readonly #options: ClientTunnelOptions;
  #idle: Timer | undefined;
  #aging: Timer | undefined;

  constructor(options: ClientTunnelOptions) {
    const { connection, clock, budget } = options;
    this.#options = options;
    this.#clock = clock;
    this.peer = new LivingPeer(connection.peer);
    this.version = connection.version;
    this.proof = tunnelProof(connection.tls);
    this.session = new TunnelSession({
      role: 'dialer',
      wire: new TlsWire(connection.raw, connection.tls),
      clock,
      budget,
      events: {
        onIdle: () => this.idle(),
        onVouch: options.onVouch,
        onClose: (why) => {
          this.#idle?.cancel();
          this.#aging?.cancel();
          options.onClose(why);
        },
      },
    });
    this.session.start();
    this.expectAging();
    this.idle();
  }

  /** Counts its time without a stream from now. */
  idle(): void {
    this.#idle?.cancel();
    this.#idle = this.#clock.setTimeout(() => {
      if (this.session.streams === 0) this.session.close('idle', 'no stream for a while');
    }, this.#options.idleMs);
  }

  /** Whether the peer's certificate is in the last part of its life. */
  get isAged(): boolean {
    return this.peer.notAfter - this.#clock.now() <= this.#agedMs;
  }

  /** Whether the peer's certificate has run out: what is open here may have a successor, what is new has none. */
  get isExpired(): boolean {
    return this.peer.notAfter <= this.#clock.now();
  }

  /**
   * Looks again at when the peer's certificate ends. The moments are those of the certificate and not of the tunnel, so that
   * tunnels that saw the same one share a dial.
   */
  expectAging(): void {
    this.#aging?.cancel();
    const left = this.peer.notAfter - this.#clock.now();
    let next = this.#agedMs;
    while (next >= left) next /= 2;
    if (this.session.isClosed || next < TOO_LATE_MS) return;
    this.#aging = this.#clock.setTimeout(() => {
      this.expectAging();
      this.#options.onAging();
    }, left - next);
  }

  get #agedMs(): number {
    return (this.peer.notAfter - this.peer.notBefore) * AGED;
  }
}

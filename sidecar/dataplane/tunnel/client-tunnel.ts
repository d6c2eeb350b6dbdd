import type { Clock, Timer } from '#base/clock.ts';

import { LivingPeer } from '../peer/living-peer.ts';
import { tlsMemory } from '../memory/costs.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Holding, PeerAccount } from '../memory/peer-account.ts';
import type { PeerConnection } from '../transport/peer-dialer.ts';
import { tunnelProof } from './proof.ts';
import { agedMs, nextLookMs } from './aging.ts';
import { TunnelSession } from './session.ts';
import type { SessionEnd } from './session.ts';
import { TlsWire } from './tls-wire.ts';

export interface ClientTunnelOptions {
  readonly connection: PeerConnection;
  readonly clock: Clock;
  readonly memory: MemoryBudget;
  readonly account: PeerAccount;
  /** How long it is kept without a stream, milliseconds. */
  readonly idleMs: number;
  /** See {@link SessionOptions.lingerMs}. */
  readonly lingerMs: number;
  /** The peer confirms that an older tunnel is of this process too. */
  readonly onVouch: (proof: string) => void;
  /** The peer's certificate ends soon: it will have a newer one by now. Told again while it has not, ever sooner. */
  readonly onAging: () => void;
  readonly onClose: (why: SessionEnd) => void;
}

/** A tunnel that this side opened. */
export class ClientTunnel implements Holding {
  readonly account: PeerAccount;
  readonly fixedBytes: number;
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
    const { connection, clock, memory, account } = options;
    this.account = account;
    this.fixedBytes = tlsMemory(connection.raw);
    this.#options = options;
    this.#clock = clock;
    this.peer = new LivingPeer(connection.peer);
    this.version = connection.version;
    this.proof = tunnelProof(connection.tls);
    this.session = new TunnelSession({
      role: 'dialer',
      wire: new TlsWire(connection.raw, connection.tls),
      clock,
      growth: memory.growth,
      frames: account.frames,
      onArrived: memory.arrived,
      lingerMs: options.lingerMs,
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
    memory.add(this);
    connection.raw.once('close', () => memory.remove(this));
    this.session.start();
    this.expectAging();
    this.idle();
  }

  get waitingBytes(): number {
    return this.session.waitingBytes;
  }

  shed(): void {
    this.session.abort('limit', 'the memory of this sidecar is used up');
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
    return this.peer.notAfter - this.#clock.now() <= agedMs(this.peer);
  }

  /** Whether the peer's certificate has expired: what is open here may have a successor, what is new has none. */
  get isExpired(): boolean {
    return this.peer.notAfter <= this.#clock.now();
  }

  /** Looks again at when the peer's certificate ends; tunnels that saw the same one do so together, and share a dial. */
  expectAging(): void {
    this.#aging?.cancel();
    const after = nextLookMs(this.peer.notAfter - this.#clock.now(), agedMs(this.peer));
    if (this.session.isClosed || after === undefined) return;
    this.#aging = this.#clock.setTimeout(() => {
      this.expectAging();
      this.#options.onAging();
    }, after);
  }
}

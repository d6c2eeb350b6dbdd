import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { Clock, Timer } from '#base/clock.ts';
import type { ResetReason } from '#core/refusals.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import { LivingPeer } from '../peer/living-peer.ts';
import { tlsMemory } from '../memory/costs.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Holding, PeerAccount } from '../memory/peer-account.ts';
import { tunnelProof } from '../tunnel/proof.ts';
import { TunnelSession } from '../tunnel/session.ts';
import type { SessionEnd } from '../tunnel/session.ts';
import type { TunnelStream } from '../tunnel/tunnel-stream.ts';
import { TlsWire } from '../tunnel/tls-wire.ts';
import type { Tenant } from './tunnel-room.ts';

/** How long a tunnel is kept of whose streams all were refused, from the first refusal, milliseconds. */
const REFUSED_MS = 10_000;

export interface ServerTunnelOptions {
  readonly raw: Socket;
  readonly tls: TLSSocket;
  readonly peer: AdmittedPeer;
  readonly account: PeerAccount;
  readonly clock: Clock;
  readonly memory: MemoryBudget;
  /** How long it is kept without a stream that was let through, milliseconds. */
  readonly idleMs: number;
  /** See {@link SessionOptions.lingerMs}. */
  readonly lingerMs: number;
  /** Leads a stream to the application. @returns whether it was let through */
  readonly serve: (stream: TunnelStream, tunnel: ServerTunnel) => Promise<boolean>;
  readonly onVouch: (tunnel: ServerTunnel, proof: string) => void;
  readonly onClose: (tunnel: ServerTunnel, why: SessionEnd) => void;
}

/** A tunnel that another sidecar opened. One that carries nothing for long is told to go away. */
export class ServerTunnel implements Tenant, Holding {
  readonly session: TunnelSession;
  readonly peer: LivingPeer;
  /** See {@link tunnelProof}. */
  readonly proof: string;
  readonly account: PeerAccount;
  readonly fixedBytes: number;
  readonly #raw: Socket;
  readonly #options: ServerTunnelOptions;
  /** When a stream was last open that was let through, or since when there is this tunnel, milliseconds. */
  #usedAt: number;
  #carried = false;
  #timer: Timer | undefined;
  #refused: Timer | undefined;

  constructor(options: ServerTunnelOptions) {
    const { raw, tls, account, clock, memory, lingerMs } = options;
    this.#options = options;
    this.#raw = raw;
    this.account = account;
    this.fixedBytes = tlsMemory(raw);
    this.peer = new LivingPeer(options.peer);
    this.proof = tunnelProof(tls);
    this.#usedAt = clock.now();
    this.session = new TunnelSession({
      role: 'acceptor',
      wire: new TlsWire(raw, tls),
      clock,
      growth: memory.growth,
      frames: account.frames,
      onArrived: memory.arrived,
      lingerMs,
      events: {
        onStream: (stream) => void this.#serve(stream),
        onIdle: () => this.#stopsCarrying(),
        onVouch: (proof) => options.onVouch(this, proof),
        onClose: (why) => {
          this.#timer?.cancel();
          this.#refused?.cancel();
          options.onClose(this, why);
        },
      },
    });
    this.#lookIn(options.idleMs);
  }

  get idleSince(): number | undefined {
    return this.session.acceptedStreams > 0 || this.session.isLeaving ? undefined : this.#usedAt;
  }

  get hasCarried(): boolean {
    return this.#carried;
  }

  get waitingBytes(): number {
    return this.session.waitingBytes;
  }

  /** Begins to speak with the peer. */
  start(): void {
    this.session.start();
  }

  /** Tells the peer to open its streams elsewhere: it closes the tunnel, now or when the last one has ended. */
  leave(why: ResetReason, text: string): void {
    this.session.goAway(why, text);
  }

  shed(): void {
    this.session.abort('limit', 'the memory of this sidecar is used up');
  }

  /** Calls back when nothing of it is left. */
  whenGone(callback: () => void): void {
    if (this.#raw.closed) callback();
    else this.#raw.once('close', callback);
  }

  async #serve(stream: TunnelStream): Promise<void> {
    if (await this.#options.serve(stream, this)) {
      this.#carried = true;
      this.#usedAt = this.#options.clock.now();
      this.#refused?.cancel();
    } else if (!this.#carried && !this.#refused && !this.session.isClosed) {
      this.#refused = this.#options.clock.setTimeout(() => {
        if (!this.#carried) this.leave('denied', 'none of the streams of this tunnel was let through');
      }, REFUSED_MS);
    }
  }

  #stopsCarrying(): void {
    if (this.#carried) this.#usedAt = this.#options.clock.now();
  }

  #lookIn(ms: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      const { idleMs, clock } = this.#options;
      const idle = this.idleSince === undefined ? 0 : clock.now() - this.idleSince;
      if (idle >= idleMs) this.leave('idle', 'no stream for a while');
      else this.#lookIn(idleMs - idle);
    }, ms);
  }
}

import type { SpiffeId } from '#core/spiffe-id.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

import type { DataPlaneSettings } from '../interfaces/settings.ts';
import { resetSocket } from '../bytes/reset.ts';
import { resetReasonFor } from '../refusals/reset-reason.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import { ALPN_TUNNEL, offeredAlpn } from '../transport/alpn.ts';
import type { PeerConnection, PeerDialer } from '../transport/peer-dialer.ts';
import { OpenError } from '../transport/transport.ts';
import { ClientTunnel } from './client-tunnel.ts';
import { RefusalPace } from './refusal-pace.ts';

export interface TunnelPoolDeps {
  readonly dialer: PeerDialer;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  readonly memory: MemoryBudget;
}

export interface Destination {
  /** IP of the pod. */
  readonly address: string;
  /** Port of its sidecar, where it is not the usual one. */
  readonly peerPort?: number | undefined;
  /** Who must answer, exactly. */
  readonly expect: SpiffeId;
}

/** So many streams on every tunnel, and another tunnel is opened. */
const CROWDED_STREAMS = 512;
/** How long a peer that spoke the single-stream protocol is assumed to speak no other. */
const SINGLE_STREAM_MS = 60_000;
const RETRY_MS = 1_000;

/** The tunnels to one pod: grows under load, and is renewed when certificates are. */
export class TunnelPool {
  readonly #deps: TunnelPoolDeps;
  readonly #destination: Destination;
  readonly #onEmpty: () => void;
  readonly refusals: RefusalPace;
  readonly #tunnels = new Set<ClientTunnel>();
  #dialing: Promise<ClientTunnel | PeerConnection> | undefined;
  #gaveUp = new AbortController();
  #singleStreamUntil = 0;
  #version = 0;
  #retry: Timer | undefined;
  #forget: Timer | undefined;

  /** @param onEmpty nothing is left here that is worth keeping */
  constructor(destination: Destination, deps: TunnelPoolDeps, onEmpty: () => void) {
    this.#destination = destination;
    this.#deps = deps;
    this.refusals = new RefusalPace(deps.clock);
    this.#onEmpty = onEmpty;
  }

  get size(): number {
    return this.#tunnels.size;
  }

  /** Whether the peer does not speak `mesh/1`. */
  get isSingleStream(): boolean {
    return this.#singleStreamUntil > this.#deps.clock.now();
  }

  /** A tunnel that is open already and takes another stream. */
  ready(): ClientTunnel | undefined {
    let best: ClientTunnel | undefined;
    for (const tunnel of this.#tunnels) {
      if (this.#mayTake(tunnel) && better(tunnel, best)) best = tunnel;
    }
    if (best && busy(best) && this.#tunnels.size < this.#deps.settings.maxTunnels) this.#grow();
    return best;
  }

  /**
   * A new tunnel, or, where the peer does not speak `mesh/1`, a connection for one stream. Callers at the same time share
   * one attempt.
   *
   * @param signal only stops waiting
   * @throws OpenError
   */
  async dial(signal: AbortSignal): Promise<ClientTunnel | PeerConnection> {
    if (signal.aborted) throw OpenError.elsewhere('unreachable', 'given up');
    this.#dialing ??= this.#connect().finally(() => (this.#dialing = undefined));
    const attempt = this.#dialing;
    return new Promise((resolve, reject) => {
      const abort = () => reject(OpenError.elsewhere('unreachable', 'given up'));
      signal.addEventListener('abort', abort, { once: true });
      attempt.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  /** Our identity or whom we trust has changed: what the peers show is looked at again, and what we show is renewed. */
  renew(version: number, bundle: TrustBundle): void {
    this.#version = version;
    const now = this.#deps.clock.now();
    for (const tunnel of [...this.#tunnels]) {
      const fault = tunnel.peer.fault(bundle, Math.min(now, tunnel.peer.notAfter));
      if (fault) tunnel.session.close(resetReasonFor(fault.reason), fault.message);
      else if (tunnel.version !== version && tunnel.session.streams === 0)
        tunnel.session.close('idle', 'renewed');
    }
    if ([...this.#tunnels].some((tunnel) => tunnel.version !== version)) this.#succeed();
  }

  close(): void {
    this.#gaveUp.abort();
    this.#retry?.cancel();
    this.#forget?.cancel();
    for (const tunnel of [...this.#tunnels]) tunnel.session.close('draining', 'this pod is shutting down');
  }

  #grow(): void {
    if (!this.#dialing) this.dial(this.#gaveUp.signal).catch(() => undefined);
  }

  async #connect(): Promise<ClientTunnel | PeerConnection> {
    const { dialer, clock } = this.#deps;
    const { expect } = this.#destination;
    try {
      const connection = await dialer.dial(this.#destination, expect, offeredAlpn(true), this.#gaveUp.signal);
      if (connection.alpn === ALPN_TUNNEL) return this.#add(connection);
      this.#singleStreamUntil = clock.now() + SINGLE_STREAM_MS;
      this.#forget?.cancel();
      this.#forget = clock.setTimeout(() => this.#tellEmpty(), SINGLE_STREAM_MS);
      // Who waited for it may have gone, or wanted a tunnel and nothing else.
      setImmediate(() => {
        if (!connection.taken) resetSocket(connection.raw);
      });
      return connection;
    } finally {
      setImmediate(() => this.#tellEmpty());
    }
  }

  #add(connection: PeerConnection): ClientTunnel {
    const { clock, memory, metrics, settings } = this.#deps;
    const tunnel: ClientTunnel = new ClientTunnel({
      connection,
      clock,
      memory,
      account: memory.account(connection.peer.id, this.#destination.address),
      idleMs: settings.tunnelIdleMs,
      lingerMs: settings.lingerMs,
      onVouch: (proof) => this.#vouched(tunnel, proof),
      onAging: () => this.#aging(tunnel),
      onClose: ({ reason }) => {
        this.#tunnels.delete(tunnel);
        metrics.tunnelClosed('outbound', reason ?? 'unknown');
        this.#tellEmpty();
      },
    });
    this.#tunnels.add(tunnel);
    this.#version = Math.max(this.#version, tunnel.version);
    metrics.tunnelOpened('outbound');
    return tunnel;
  }

  /** What is opened there would show neither an old certificate of ours nor trust an ended one of the peer's. */
  #mayTake(tunnel: ClientTunnel): boolean {
    return tunnel.version === this.#version && tunnel.session.takesStreams && !tunnel.isExpired;
  }

  #aging(tunnel: ClientTunnel): void {
    if (tunnel.session.streams === 0) tunnel.session.close('idle', 'renewed');
    else this.#succeed();
  }

  /** Opens a new tunnel that shows the newest certificates, and vouches for the older ones that are in use. */
  #succeed(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    const older = [...this.#tunnels].filter(({ session }) => session.streams > 0);
    if (older.length === 0) return;
    this.dial(this.#gaveUp.signal).then(
      (newer) => {
        if (!(newer instanceof ClientTunnel)) return;
        for (const tunnel of older) if (tunnel !== newer) newer.session.vouch(tunnel.proof);
      },
      () => {
        if (this.#gaveUp.signal.aborted) return;
        this.#retry = this.#deps.clock.setTimeout(() => this.#succeed(), RETRY_MS);
      },
    );
  }

  #vouched(newer: ClientTunnel, proof: string): void {
    for (const tunnel of this.#tunnels) {
      if (tunnel.proof !== proof || tunnel === newer) continue;
      if (tunnel.peer.renew(newer.peer.proof)) tunnel.expectAging();
    }
  }

  #tellEmpty(): void {
    if (this.#tunnels.size === 0 && !this.#dialing && !this.isSingleStream) this.#onEmpty();
  }
}

/**
 * Streams go where least is under way; where bytes wait to leave, or where the peer's certificate is about to end, only when
 * there is nothing better.
 */
function better(one: ClientTunnel, other: ClientTunnel | undefined): boolean {
  if (!other) return true;
  if (one.isAged !== other.isAged) return other.isAged;
  if (busy(one) !== busy(other)) return busy(other);
  return one.session.streams < other.session.streams;
}

function busy({ session }: ClientTunnel): boolean {
  return session.carriesBulk || session.streams >= CROWDED_STREAMS;
}

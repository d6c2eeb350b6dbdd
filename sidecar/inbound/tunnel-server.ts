import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { Clock } from '#kube/clock.ts';

import { admitShown } from '../connection/admit.ts';
import type { AdmittedPeer } from '../connection/admit.ts';
import { LivingPeer } from '../connection/living-peer.ts';
import { expiryOf, reviewTime } from '../connection/peer-expiry.ts';
import { Refusal } from '../connection/refusal.ts';
import { ConnectionRegistry } from '../connection/registry.ts';
import type { OpenConnection } from '../connection/registry.ts';
import { resetReasonFor } from '../connection/reset-reason.ts';
import type { DataPlaneSettings } from '../connection/settings.ts';
import type { DataPlaneMetrics } from '../seams/data-plane-metrics.ts';
import type { IdentitySource } from '../seams/identity-source.ts';
import type { Siblings } from '../seams/siblings.ts';
import { TunnelSession } from '../tunnel/session.ts';
import { hashOfProof, tunnelProof } from '../tunnel/proof.ts';
import type { WindowBudget } from '../tunnel/window-budget.ts';
import { TlsWire } from '../tunnel/wire.ts';
import type { StreamServer } from './stream-server.ts';

export interface TunnelServerDeps {
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  readonly budget: WindowBudget;
  readonly streams: StreamServer;
  /** Absent in a sidecar of one process. */
  readonly siblings?: Siblings;
}

/** The tunnels that other sidecars opened to this one. */
export class TunnelServer {
  readonly #deps: TunnelServerDeps;
  readonly #tunnels: ConnectionRegistry;
  readonly #byProof = new Map<string, { readonly peer: LivingPeer; readonly session: TunnelSession }>();
  #leaving = false;

  constructor(deps: TunnelServerDeps) {
    this.#deps = deps;
    this.#tunnels = new ConnectionRegistry(deps.clock);
  }

  /** Tunnels that are open. */
  get open(): number {
    return this.#tunnels.size;
  }

  /** Serves one connection of an admitted peer that chose `mesh/1`. */
  serve(raw: Socket, tls: TLSSocket, first: AdmittedPeer): void {
    const { clock, budget, streams, settings, metrics } = this.#deps;
    const peer = new LivingPeer(first);
    const proof = tunnelProof(tls);
    let questions = MAX_QUESTIONS;
    const tunnel: OpenConnection = {
      peer,
      expiresAt: () => expiryOf(peer, settings) + AFTER_STREAMS_MS,
      review: (now) => this.#review(peer, now),
      cut: (why) => session.close(resetReasonFor(why.reason), why.message),
    };
    const session = new TunnelSession({
      role: 'acceptor',
      wire: new TlsWire(raw, tls),
      clock,
      budget,
      lingerMs: settings.lingerMs,
      events: {
        onStream: (stream) => void streams.tunnelStream(stream, peer, raw),
        onVouch: (older) => {
          if (this.#byProof.has(older)) this.#vouched(session, peer, older);
          else if (questions-- > 0) void this.#askSiblings({ session, proof, peer }, older);
        },
        onClose: ({ reason }) => {
          this.#byProof.delete(proof);
          this.#tunnels.remove(tunnel);
          metrics.tunnelClosed('inbound', reason ?? 'unknown');
        },
      },
    });
    this.#byProof.set(proof, { peer, session });
    this.#tunnels.add(tunnel);
    metrics.tunnelOpened('inbound');
    session.start();
    if (this.#leaving) session.goAway('draining', 'this pod is shutting down');
  }

  /** Whose tunnels they are. */
  peers(): Iterable<AdmittedPeer> {
    return this.#tunnels.peers();
  }

  /** Asks of every tunnel whether its peer is believed still. */
  review(): void {
    this.#tunnels.review();
  }

  /** Tells every peer that no more streams are taken; those that are open go on. */
  goAway(): void {
    this.#leaving = true;
    for (const { session } of [...this.#byProof.values()])
      session.goAway('draining', 'this pod is shutting down');
  }

  /** A peer that renewed its certificate opens a new tunnel and says which older ones are its own. */
  #vouched(session: TunnelSession, peer: LivingPeer, proof: string): void {
    const older = this.#byProof.get(proof);
    if (older && older.session !== session && older.peer.renew(peer.proof)) session.vouch(proof);
  }

  /** That tunnel is not here; one may have reached each process of this sidecar. */
  async #askSiblings(newer: Vouching, proof: string): Promise<void> {
    const { siblings } = this.#deps;
    const renewed = await siblings?.renew(hashOfProof(proof), newer.peer.shown);
    if (renewed === true && this.#byProof.get(newer.proof)?.session === newer.session)
      newer.session.vouch(proof);
  }

  /**
   * The peer of one of these tunnels vouched for it in another process of this sidecar.
   *
   * @param hash of the tunnel's proof
   * @param shown what the peer showed there; it is judged here again
   * @returns whether the tunnel is here and is judged by that from now on
   */
  renew(hash: string, shown: readonly string[]): boolean {
    const bundle = this.#deps.identity.current()?.bundle;
    const older = [...this.#byProof].find(([proof]) => hashOfProof(proof) === hash)?.[1];
    if (!older || !bundle) return false;
    try {
      return older.peer.renew(admitShown(shown, bundle, this.#deps.clock.now()));
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  }

  #review(peer: LivingPeer, now: number): Refusal | undefined {
    const snapshot = this.#deps.identity.current();
    return snapshot && peer.fault(snapshot.bundle, reviewTime(peer, now, this.#deps.settings));
  }
}

interface Vouching {
  readonly session: TunnelSession;
  /** Of the tunnel itself, not of the one that is vouched for. */
  readonly proof: string;
  readonly peer: LivingPeer;
}

/** How often a peer may make us ask the other processes, in one tunnel; it has four tunnels to us, and so few to vouch for. */
const MAX_QUESTIONS = 16;

/** Streams are reviewed first, so that each is reported with its own reason. */
const AFTER_STREAMS_MS = 50;

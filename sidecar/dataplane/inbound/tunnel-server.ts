import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { Clock } from '#base/clock.ts';

import { admitShown } from '../peer/admit.ts';
import type { AdmittedPeer } from '../peer/admit.ts';
import { expiryOf, reviewTime } from '../peer/peer-expiry.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import { ConnectionRegistry } from '../connection/registry.ts';
import type { OpenConnection } from '../connection/registry.ts';
import { resetReasonFor } from '../refusals/reset-reason.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { PeerAccount } from '../memory/peer-account.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import type { Siblings } from '../interfaces/siblings.ts';
import { hashOfProof } from '../tunnel/proof.ts';
import { ServerTunnel } from './server-tunnel.ts';
import type { StreamServer } from './stream-server.ts';
import { leastUseful, tooMany } from './tunnel-room.ts';
import type { TunnelObstacle } from './tunnel-room.ts';

export interface TunnelServerDeps {
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  readonly memory: MemoryBudget;
  readonly streams: StreamServer;
  /** Absent in a sidecar of one process. */
  readonly siblings?: Siblings;
}

/** The tunnels that other sidecars opened to this one. */
export class TunnelServer {
  readonly #deps: TunnelServerDeps;
  readonly #registry: ConnectionRegistry;
  readonly #byProof = new Map<string, ServerTunnel>();
  /** Those that had to go, in this order, while their peers have not closed them. They no longer count. */
  readonly #evicted = new Set<ServerTunnel>();
  #leaving = false;

  constructor(deps: TunnelServerDeps) {
    this.#deps = deps;
    this.#registry = new ConnectionRegistry(deps.clock);
  }

  /** Tunnels that are open. */
  get open(): number {
    return this.#registry.size;
  }

  /**
   * Serves one connection of an admitted peer that chose `mesh/1`.
   *
   * @param account of the peer
   */
  serve(raw: Socket, tls: TLSSocket, peer: AdmittedPeer, account: PeerAccount): void {
    const { clock, memory, streams, settings, metrics } = this.#deps;
    let questions = MAX_QUESTIONS;
    const tunnel: ServerTunnel = new ServerTunnel({
      raw,
      tls,
      peer,
      account,
      clock,
      memory,
      idleMs: settings.servedTunnelIdleMs,
      lingerMs: settings.lingerMs,
      serve: (stream) => streams.tunnelStream(stream, { peer: tunnel.peer, account, raw }),
      onVouch: (newer, older) => {
        if (this.#byProof.has(older)) this.#vouched(newer, older);
        else if (questions-- > 0) void this.#askSiblings(newer, older);
      },
      onClose: (_tunnel, { reason }) => {
        this.#byProof.delete(tunnel.proof);
        this.#registry.remove(open);
        metrics.tunnelClosed('inbound', reason ?? 'unknown');
      },
    });
    const open = this.#openConnection(tunnel);
    const hasRoom = this.#makeRoom(account, tunnel.fixedBytes);
    this.#byProof.set(tunnel.proof, tunnel);
    this.#registry.add(open);
    memory.add(tunnel);
    tunnel.whenGone(() => memory.remove(tunnel));
    metrics.tunnelOpened('inbound');
    tunnel.start();
    if (this.#leaving) tunnel.leave('draining', SHUTTING_DOWN);
    else if (!hasRoom) this.#evict(tunnel);
  }

  /** Whose tunnels they are. */
  peers(): Iterable<AdmittedPeer> {
    return this.#registry.peers();
  }

  /** Asks of every tunnel whether its peer is trusted still. */
  review(): void {
    this.#registry.review();
  }

  /** Tells every peer that no more streams are taken; those that are open go on. */
  goAway(): void {
    this.#leaving = true;
    for (const tunnel of [...this.#byProof.values()]) tunnel.leave('draining', SHUTTING_DOWN);
  }

  /** A peer that renewed its certificate opens a new tunnel and says which older ones are its own. */
  #vouched(newer: ServerTunnel, proof: string): void {
    const older = this.#byProof.get(proof);
    if (older && older !== newer && older.peer.renew(newer.peer.proof)) newer.session.vouch(proof);
  }

  /** That tunnel is not here; one may have reached each process of this sidecar. */
  async #askSiblings(newer: ServerTunnel, proof: string): Promise<void> {
    const { siblings } = this.#deps;
    const renewed = await siblings?.renew(hashOfProof(proof), newer.peer.shown);
    if (renewed === true && this.#byProof.get(newer.proof) === newer) newer.session.vouch(proof);
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
      if (error instanceof ConnectionRefusal) return false;
      throw error;
    }
  }

  /**
   * Ends tunnels that carry nothing until one more fits.
   *
   * @param bytes that it takes
   * @returns false when it does not fit all the same: the others are in use
   */
  #makeRoom(account: PeerAccount, bytes: number): boolean {
    for (;;) {
      const obstacle = this.#obstacle(account, bytes);
      if (!obstacle) return true;
      const victim = leastUseful(this.#byProof.values(), account, obstacle);
      if (!victim) return false;
      this.#evict(victim);
    }
  }

  #obstacle(account: PeerAccount, bytes: number): TunnelObstacle | undefined {
    const { memory } = this.#deps;
    const staying = [...this.#byProof.values()].filter((tunnel) => !this.#evicted.has(tunnel));
    return tooMany(staying, account, memory.bytes) ?? memory.obstacle(account, bytes);
  }

  /** Its peer is given the time to close it, for what it may have sent meanwhile; but not of too many at a time. */
  #evict(tunnel: ServerTunnel): void {
    tunnel.leave('limit', 'this sidecar has too many tunnels, or too many of this peer');
    this.#deps.memory.leaves(tunnel);
    this.#evicted.add(tunnel);
    tunnel.whenGone(() => this.#evicted.delete(tunnel));
    const [oldest] = this.#evicted;
    if (oldest && this.#evicted.size > MOST_EVICTED) {
      this.#evicted.delete(oldest);
      oldest.shed();
    }
  }

  #openConnection({ peer, session }: ServerTunnel): OpenConnection {
    const { settings } = this.#deps;
    return {
      peer,
      expiresAt: () => expiryOf(peer, settings) + AFTER_STREAMS_MS,
      review: (now) => this.#review(peer, now),
      cut: (why) => session.close(resetReasonFor(why.reason), why.message),
    };
  }

  #review(peer: AdmittedPeer, now: number): ConnectionRefusal | undefined {
    const snapshot = this.#deps.identity.current();
    return snapshot && peer.fault(snapshot.bundle, reviewTime(peer, now, this.#deps.settings));
  }
}

const SHUTTING_DOWN = 'this pod is shutting down';

/** How often a peer may make us ask the other processes, in one tunnel; it has four tunnels to us, and so few to vouch for. */
const MAX_QUESTIONS = 16;

/** Tunnels that had to go and are still there. */
const MOST_EVICTED = 32;

/** Streams are reviewed first, so that each is reported with its own reason. */
const AFTER_STREAMS_MS = 50;

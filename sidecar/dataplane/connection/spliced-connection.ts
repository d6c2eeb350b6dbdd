import type { Clock } from '#base/clock.ts';

import type { ConnectionLabels, DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';

import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Holding, PeerAccount } from '../memory/peer-account.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import type { Leg } from '../bytes/leg.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { ConnectionRegistry, OpenConnection } from './registry.ts';
import type { Parties, Reporter } from '../refusals/reporter.ts';
import { Splice } from '../bytes/splice.ts';
import type { SpliceEnd } from '../bytes/splice.ts';

export interface SplicedConnectionOptions {
  readonly client: Leg;
  readonly server: Leg;
  readonly labels: ConnectionLabels;
  readonly parties: Parties;
  /** Who is on the other end; absent outside the mesh. */
  readonly peer?: AdmittedPeer;
  /** For whom it holds memory: the other end of it outside of this pod. */
  readonly account: PeerAccount;
  /** Why it is allowed no longer; see {@link OpenConnection}. */
  readonly review: (now: number) => ConnectionRefusal | undefined;
  /** When it must be looked at again; may change. */
  readonly expiresAt?: () => number;
  /** What the client said already, and the server's leg was told. */
  readonly carried?: { readonly bytes: number; readonly ended: boolean };
  readonly onEnd?: () => void;
}

export interface SplicedConnectionDeps {
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly memory: MemoryBudget;
  readonly registry: ConnectionRegistry;
  readonly reporter: Reporter;
  readonly halfOpenIdleMs: number;
}

/** A connection that was let through: carries its bytes, stands in the registry while it does, and is counted when it ends. */
export class SplicedConnection implements OpenConnection, Holding {
  readonly account: PeerAccount;
  readonly fixedBytes: number;
  readonly #options: SplicedConnectionOptions;
  readonly #deps: SplicedConnectionDeps;
  readonly #splice: Splice;
  readonly #startedAt: number;

  constructor(options: SplicedConnectionOptions, deps: SplicedConnectionDeps) {
    const { client, server, carried } = options;
    const { clock, halfOpenIdleMs, memory } = deps;
    this.account = options.account;
    this.fixedBytes = client.fixedBytes + server.fixedBytes;
    this.#options = options;
    this.#deps = deps;
    this.#startedAt = clock.now();
    this.#splice = new Splice({
      client,
      server,
      clock,
      halfOpenIdleMs,
      onArrived: memory.arrived,
      onEnd: (end) => this.#ended(end),
      ...(carried ? { carried } : {}),
    });
  }

  get peer(): AdmittedPeer | undefined {
    return this.#options.peer;
  }

  get waitingBytes(): number {
    return this.#options.client.waitingBytes + this.#options.server.waitingBytes;
  }

  expiresAt(): number {
    return this.#options.expiresAt?.() ?? Infinity;
  }

  start(): void {
    this.#deps.registry.add(this);
    this.#deps.metrics.connectionOpened(this.#options.labels);
    this.#deps.memory.add(this);
    this.#splice.start();
  }

  review(now: number): ConnectionRefusal | undefined {
    return this.#options.review(now);
  }

  cut(why: ConnectionRefusal): void {
    this.#deps.reporter.cut(this.#options.parties, why);
    this.#splice.cut(why);
  }

  shed(): void {
    this.cut(new ConnectionRefusal('limit', TOO_MUCH_WAITS));
  }

  #ended({ how, bytesToServer, bytesToClient, why }: SpliceEnd): void {
    const { clock, memory, metrics, registry } = this.#deps;
    registry.remove(this);
    memory.remove(this);
    if (how === 'reset' && why) this.#deps.reporter.ended(this.#options.parties, why);
    metrics.connectionClosed({
      ...this.#options.labels,
      end: how === 'idle' ? 'reset' : how,
      durationMs: clock.now() - this.#startedAt,
      bytesToServer,
      bytesToClient,
    });
    this.#options.onEnd?.();
  }
}

const TOO_MUCH_WAITS =
  'the memory of this sidecar is used up, and more waits in this connection than in others: one of its ends does not read';

import type { Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';

import { ConnectError, connectTo } from '../connection/connect.ts';
import { EarlyBytes } from '../bytes/early-bytes.ts';
import { socketLeg } from '../bytes/leg.ts';
import { resetSocket } from '../bytes/reset.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { ConnectionRegistry } from '../connection/registry.ts';
import type { Parties, Reporter } from '../refusals/reporter.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import { SplicedConnection } from '../connection/spliced-connection.ts';
import { formatAddress } from '../original-destination/original-destination.ts';
import type { SocketAddress } from '../original-destination/original-destination.ts';
import { MEMORY_COSTS } from '../memory/costs.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Holding, PeerAccount } from '../memory/peer-account.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import type { Resolution, Target } from '../interfaces/resolver.ts';
import type { AdmittedPeer } from '../peer/admit.ts';
import { expiryOf, reviewTime } from '../peer/peer-expiry.ts';
import type { Dialer } from './dialer.ts';

export interface StreamClientDeps {
  readonly dialer: Dialer;
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly memory: MemoryBudget;
  readonly settings: DataPlaneSettings;
  readonly registry: ConnectionRegistry;
  readonly reporter: Reporter;
  readonly halfOpenIdleMs: number;
}

/** What the application asked for: an address it dialed, or the name behind a local port. */
export interface Wanted {
  readonly resolve: () => Promise<Resolution>;
  /** Absent behind a local port. */
  readonly address?: SocketAddress;
  /** For log lines: an address or `namespace/service`. */
  readonly destination: string;
}

/** Leads connections of the application to where it wanted to go. One that leads nowhere ends with a reset. */
export class StreamClient {
  readonly #deps: StreamClientDeps;
  /** Connections that carry no bytes yet. */
  #dialing = 0;

  constructor(deps: StreamClientDeps) {
    this.#deps = deps;
  }

  /** Never rejects: what goes wrong is reported, and the application's connection reset. */
  async lead(app: Socket, wanted: Wanted): Promise<void> {
    let parties: Parties = this.#parties(wanted.destination, wanted.address?.port);
    const gone = new AbortController();
    const onClose = () => gone.abort();
    app.once('close', onClose);
    this.#dialing += 1;
    try {
      if (this.#deps.registry.size + this.#dialing > this.#deps.settings.maxConnections) {
        throw new ConnectionRefusal(
          'limit',
          `this pod has ${this.#deps.settings.maxConnections} connections, its limit`,
        );
      }
      const resolution = await this.#resolve(wanted, gone.signal);
      if (resolution.kind === 'mesh') {
        const { namespace, service } = resolution.target.service;
        parties = this.#parties(`${namespace}/${service}`, wanted.address?.port);
        await this.#toService(app, resolution.target, wanted, { parties, signal: gone.signal });
      } else if (resolution.kind === 'outside' && wanted.address) {
        await this.#outside(app, wanted.address, { parties, signal: gone.signal });
      } else {
        const reason = resolution.kind === 'unknown' ? resolution.reason : 'it is not part of the mesh';
        throw new ConnectionRefusal('unknown-destination', `${wanted.destination}: ${reason}`);
      }
    } catch (error) {
      resetSocket(app);
      if (error instanceof ConnectionRefusal) this.#deps.reporter.refused(parties, error);
      else this.#deps.reporter.bug(parties, error);
    } finally {
      this.#dialing -= 1;
      app.off('close', onClose);
    }
  }

  /** A target that comes too late is given back at once. */
  async #resolve(wanted: Wanted, gone: AbortSignal): Promise<Resolution> {
    const { settings } = this.#deps;
    const resolving = wanted.resolve();
    const first = await this.#inTime(resolving, gone);
    if (first && !gone.aborted) return first;
    void resolving.then((late) => {
      if (late.kind === 'mesh') late.target.release();
    });
    if (gone.aborted) throw new ConnectionRefusal('client-gone', 'the application closed its connection');
    throw new ConnectionRefusal(
      'unknown-destination',
      `${wanted.destination}: not known within ${settings.resolveMs} ms`,
    );
  }

  /** @returns undefined when it took too long, or nobody waits any more */
  #inTime<T>(promise: Promise<T>, gone: AbortSignal): Promise<T | undefined> {
    const { clock, settings } = this.#deps;
    return new Promise((resolve) => {
      const settle = (value?: T) => {
        timer.cancel();
        gone.removeEventListener('abort', giveUp);
        resolve(value);
      };
      const giveUp = () => settle();
      const timer = clock.setTimeout(giveUp, settings.resolveMs);
      gone.addEventListener('abort', giveUp, { once: true });
      void promise.then(settle);
    });
  }

  async #toService(app: Socket, target: Target, wanted: Wanted, call: Call): Promise<void> {
    const original = wanted.address && formatAddress(wanted.address);
    const { memory } = this.#deps;
    const client = socketLeg(app);
    const early = new EarlyBytes(client);
    const waiting = earlyHolding(early, app, memory.account('application', ''));
    memory.add(waiting);
    try {
      const stream = await this.#deps.dialer.dial(target, original, early, call.signal);
      const account = memory.account(stream.peer.id, stream.endpoint.address);
      const fault = app.destroyed
        ? new ConnectionRefusal('client-gone', 'the application closed its connection')
        : (this.#review(stream.peer, this.#deps.clock.now()) ?? this.#fault(account));
      if (fault) {
        stream.leg.reset();
        stream.finished();
        throw fault;
      }
      const { address, port } = stream.endpoint;
      this.#deps.reporter.admitted(call.parties, { endpoint: formatAddress({ address, port }) });
      new SplicedConnection(
        {
          client,
          server: stream.leg,
          account,
          // Not the early bytes themselves: the connection would keep them as long as it lives.
          carried: { bytes: early.bytes, ended: early.ended },
          parties: call.parties,
          labels: { direction: 'outbound', security: 'mtls', peer: stream.peer.id },
          peer: stream.peer,
          review: (now) => this.#review(stream.peer, now),
          expiresAt: () => expiryOf(stream.peer, this.#deps.settings),
          onEnd: () => {
            stream.finished();
            target.release();
          },
        },
        this.#deps,
      ).start();
    } catch (error) {
      target.release();
      throw error;
    } finally {
      memory.remove(waiting);
    }
  }

  /** Not of the mesh: the bytes pass untouched. */
  async #outside(app: Socket, destination: SocketAddress, call: Call): Promise<void> {
    const { clock, memory, settings } = this.#deps;
    const account = memory.account('outside', destination.address);
    const fault = this.#fault(account);
    if (fault) throw fault;
    let socket: Socket;
    try {
      const timeoutMs = settings.passthroughConnectMs;
      socket = await connectTo({ ...destination, lean: true, timeoutMs, clock, signal: call.signal });
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (call.signal.aborted)
        throw new ConnectionRefusal('client-gone', 'the application closed its connection');
      throw new ConnectionRefusal(
        'unreachable',
        `${formatAddress(destination)}, outside the mesh: ${error.message}`,
      );
    }
    new SplicedConnection(
      {
        client: socketLeg(app),
        server: socketLeg(socket),
        account,
        parties: call.parties,
        labels: { direction: 'outbound', security: 'passthrough', peer: '' },
        review: () => undefined,
      },
      this.#deps,
    ).start();
  }

  /** Whether what is there for the other end already is too much for one connection more. */
  #fault(account: PeerAccount): ConnectionRefusal | undefined {
    if (!this.#deps.memory.obstacle(account, 2 * MEMORY_COSTS.socket)) return undefined;
    return new ConnectionRefusal(
      'limit',
      'this sidecar has no memory left for more connections, or for more to there',
    );
  }

  #review(peer: AdmittedPeer, now: number): ConnectionRefusal | undefined {
    const snapshot = this.#deps.identity.current();
    return snapshot
      ? peer.fault(snapshot.bundle, reviewTime(peer, now, this.#deps.settings))
      : new ConnectionRefusal('not-ready', 'this sidecar has no certificate');
  }

  #parties(destination: string, port: number | undefined): Parties {
    const source = this.#deps.identity.current()?.svid.spiffeId ?? 'this pod';
    return { source, destination, ...(port === undefined ? {} : { port }) };
  }
}

interface Call {
  readonly parties: Parties;
  readonly signal: AbortSignal;
}

/** An application's connection that is not led anywhere yet. */
function earlyHolding(early: EarlyBytes, app: Socket, account: PeerAccount): Holding {
  return {
    account,
    fixedBytes: MEMORY_COSTS.socket,
    get waitingBytes() {
      return early.waitingBytes;
    },
    shed: () => resetSocket(app),
  };
}

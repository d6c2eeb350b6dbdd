import type { Socket } from 'node:net';

import { canonicalAddress } from '#core/net/address.ts';

import type { Clock } from '#base/clock.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import { expiryOf, reviewTime } from '../peer/peer-expiry.ts';
import { socketLeg } from '../bytes/leg.ts';
import type { Leg, SocketLeg } from '../bytes/leg.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import { resetReasonFor } from '../refusals/reset-reason.ts';
import type { ConnectionRegistry } from '../connection/registry.ts';
import type { Parties, Reporter } from '../refusals/reporter.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import { SplicedConnection } from '../connection/spliced-connection.ts';
import { localAddress, remoteAddress } from '../original-destination/original-destination.ts';
import type { SocketAddress } from '../original-destination/original-destination.ts';
import { MEMORY_COSTS } from '../memory/costs.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { PeerAccount } from '../memory/peer-account.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { OwnService } from '../interfaces/own-service.ts';
import { FrameError, readFrame } from '../single-stream/frame.ts';
import { parseStreamHeader } from '../single-stream/stream-header.ts';
import type { StreamHeader } from '../transport/transport.ts';
import type { TunnelStream } from '../tunnel/tunnel-stream.ts';
import { encodeVerdict, isVerdictCode } from '../single-stream/verdict.ts';
import type { AppDialer } from './app-dialer.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import { callerHeader } from './proxy-protocol.ts';
import type { Admission } from './unadmitted.ts';

/** A TLS connection of an admitted peer: one connection of the application, or a tunnel of many. */
export interface InboundPeer {
  readonly peer: AdmittedPeer;
  /** Whose memory it takes. */
  readonly account: PeerAccount;
  readonly raw: Socket;
  /** Granted before the application is dialed; a tunnel has it already. */
  readonly admission?: Admission;
}

export interface StreamServerDeps {
  readonly gatekeeper: Gatekeeper;
  readonly own: OwnService;
  readonly app: AppDialer;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly memory: MemoryBudget;
  readonly settings: DataPlaneSettings;
  readonly registry: ConnectionRegistry;
  readonly reporter: Reporter;
  readonly halfOpenIdleMs: number;
  /** Ports whose application expects a header of the PROXY protocol. */
  readonly proxyProtocolPorts?: ReadonlySet<number>;
}

/** Leads streams of peers to the application: asks the gatekeeper, dials, answers, carries. */
export class StreamServer {
  readonly #deps: StreamServerDeps;
  /** Streams between being let in and carrying bytes. */
  #dialing = 0;
  #draining = false;

  constructor(deps: StreamServerDeps) {
    this.#deps = deps;
  }

  /** From now on every new stream is refused with `draining`; open ones go on. */
  refuseNew(): void {
    this.#draining = true;
  }

  /**
   * A stream of a tunnel, already with all that it is opened for. Never rejects.
   *
   * @param tunnel what carries it
   * @returns whether it was let through
   */
  async tunnelStream(stream: TunnelStream, tunnel: InboundPeer): Promise<boolean> {
    const { port } = stream.header;
    try {
      const app = await this.#open(tunnel, { port }, callerOf(stream));
      stream.accept();
      this.#carry(stream, app, tunnel, port);
      return true;
    } catch (error) {
      const refusal = error instanceof ConnectionRefusal ? error : undefined;
      stream.reset(refusal ? resetReasonFor(refusal.reason) : 'app-unreachable', refusal?.message);
      const parties = this.#parties(tunnel.peer.id, port);
      if (refusal) this.#deps.reporter.refused(parties, refusal);
      else this.#deps.reporter.bug(parties, error);
      return false;
    }
  }

  /** A stream of another sidecar: its header, our verdict, then bytes. */
  async meshStream(leg: SocketLeg, connection: InboundPeer): Promise<void> {
    const { peer, account, raw } = connection;
    let parties = this.#parties(peer.id);
    const release = this.#deps.memory.take(account, leg.fixedBytes);
    try {
      if (!release) throw NO_MEMORY;
      const header = await this.#header(leg);
      parties = this.#parties(peer.id, header.port);
      const app = await this.#open(connection, { port: header.port }, callerOn(raw));
      leg.stream.write(encodeVerdict({ ok: true }));
      this.#carry(leg, app, connection, header.port);
    } catch (error) {
      if (!(error instanceof ConnectionRefusal)) throw error;
      this.#deps.reporter.refused(parties, error);
      this.#answer(leg, error);
    } finally {
      release?.();
    }
  }

  /**
   * A peer that speaks mutual TLS and nothing of ours: its bytes go to the application as they are.
   *
   * @param redirectedFrom what it dialed, when it did not dial the sidecar itself
   */
  async foreignPeer(
    leg: SocketLeg,
    connection: InboundPeer,
    redirectedFrom: SocketAddress | undefined,
  ): Promise<void> {
    const { peer, account, raw } = connection;
    const port = redirectedFrom?.port ?? this.#deps.own.defaultPort();
    const release = this.#deps.memory.take(account, leg.fixedBytes);
    try {
      if (!release) throw NO_MEMORY;
      if (port === undefined)
        throw new ConnectionRefusal('port-not-declared', 'the service declares no port');
      const app = await this.#open(connection, redirectedFrom ?? { port }, callerOn(raw));
      this.#carry(leg, app, connection, port);
    } catch (error) {
      leg.reset();
      if (!(error instanceof ConnectionRefusal)) throw error;
      this.#deps.reporter.refused(this.#parties(peer.id, port), error);
    } finally {
      release?.();
    }
  }

  /** Cleartext to a permissive service: led to where it was sent, as it would be without a mesh, and counted. */
  async plaintext(raw: Socket, destination: SocketAddress): Promise<void> {
    const { gatekeeper, app } = this.#deps;
    const { port, address } = destination;
    const parties = this.#parties(canonicalAddress(raw.remoteAddress ?? ''), port);
    const account = this.#deps.memory.account('cleartext', parties.source);
    const fault = () => gatekeeper.cleartextFault(port) ?? this.#busy();
    const socket = await this.#dial({ ...callerOn(raw), account }, fault, (signal) =>
      app.dialAt(address, port, signal),
    );
    this.#introduce(socket, raw, destination);
    this.#start(socketLeg(raw), socket, {
      parties,
      account,
      labels: { direction: 'inbound', security: 'plaintext', peer: '' },
      review: () => gatekeeper.cleartextFault(port),
    });
  }

  async #header(leg: SocketLeg): Promise<StreamHeader> {
    const { clock, settings } = this.#deps;
    try {
      const header = parseStreamHeader(await readFrame(leg.stream, clock, settings.headerMs));
      if (header) return header;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      if (error.kind === 'ended')
        throw new ConnectionRefusal('client-gone', `stream header: ${error.message}`);
      throw new ConnectionRefusal(
        error.kind === 'timeout' ? 'header-timeout' : 'bad-header',
        `stream header: ${error.message}`,
      );
    }
    throw new ConnectionRefusal('bad-header', 'the peer sent something that is not a stream header');
  }

  /** Dials the application for a peer that may reach it; asks again afterwards, since dialing takes time. */
  async #open(connection: InboundPeer, to: Wanted, caller: Caller): Promise<Socket> {
    const { gatekeeper, app, clock } = this.#deps;
    const { peer, account, raw, admission } = connection;
    const fault = () => gatekeeper.fault(peer, to.port, clock.now()) ?? this.#busy();
    const socket = await this.#dial({ ...caller, account }, fault, (signal) => {
      admission?.allowed();
      return app.dial(to.port, signal);
    });
    this.#introduce(socket, raw, to, peer);
    return socket;
  }

  /**
   * Says who calls to an application that expects it, before anything of the caller: what a caller writes itself comes after.
   *
   * @param peer absent for cleartext, about whose identity nothing is said
   * @throws ConnectionRefusal
   */
  #introduce(app: Socket, raw: Socket, to: Wanted, peer?: AdmittedPeer): void {
    if (!this.#deps.proxyProtocolPorts?.has(to.port)) return;
    const source = remoteAddress(raw);
    const address = to.address ?? localAddress(raw)?.address;
    if (!source || address === undefined) {
      app.destroy();
      throw new ConnectionRefusal('client-gone', 'the peer went away');
    }
    const destination = { address, port: to.port };
    app.write(callerHeader({ source, destination, ...(peer ? { spiffeId: peer.id } : {}) }));
  }

  async #dial(
    caller: Caller & { readonly account: PeerAccount },
    fault: () => ConnectionRefusal | undefined,
    dial: (signal: AbortSignal) => Promise<Socket>,
  ): Promise<Socket> {
    const before = fault();
    if (before) throw before;
    // Of both ends, for as long as the connection does not hold it itself.
    const release = this.#deps.memory.take(caller.account, 2 * MEMORY_COSTS.socket);
    if (!release) throw NO_MEMORY;
    const gone = new AbortController();
    caller.whenGone(() => gone.abort());
    this.#dialing += 1;
    try {
      const socket = await dial(gone.signal);
      this.#dialing -= 1;
      const after = caller.isGone() ? new ConnectionRefusal('client-gone', 'the peer went away') : fault();
      this.#dialing += 1;
      if (!after) return socket;
      socket.destroy();
      throw after;
    } finally {
      this.#dialing -= 1;
      release();
      caller.whenGone(undefined);
    }
  }

  #busy(): ConnectionRefusal | undefined {
    if (this.#draining) return new ConnectionRefusal('draining', 'this pod is shutting down');
    if (this.#deps.registry.size + this.#dialing < this.#deps.settings.maxConnections) return undefined;
    return new ConnectionRefusal(
      'limit',
      `this pod has ${this.#deps.settings.maxConnections} connections, its limit`,
    );
  }

  #carry(leg: Leg, app: Socket, { peer, account }: InboundPeer, port: number): void {
    this.#start(leg, app, {
      account,
      parties: this.#parties(peer.id, port),
      labels: { direction: 'inbound', security: 'mtls', peer: peer.id },
      peer,
      review: (now) =>
        this.#deps.gatekeeper.fault(peer, port, now, reviewTime(peer, now, this.#deps.settings)),
      expiresAt: () => expiryOf(peer, this.#deps.settings),
    });
  }

  #start(
    client: Leg,
    app: Socket,
    what: Omit<ConstructorParameters<typeof SplicedConnection>[0], 'client' | 'server'>,
  ): void {
    this.#deps.reporter.admitted(what.parties);
    new SplicedConnection({ client, server: socketLeg(app), ...what }, this.#deps).start();
  }

  /** Tells the peer why, and gives it a moment to read it; what it cannot be told ends with a reset. */
  #answer(leg: SocketLeg, why: ConnectionRefusal): void {
    if (!isVerdictCode(why.reason)) return leg.reset();
    const timer = this.#deps.clock.setTimeout(() => leg.reset(), this.#deps.settings.lingerMs);
    leg.stream.once('close', () => timer.cancel());
    leg.stream.end(encodeVerdict({ ok: false, code: why.reason, reason: why.message }));
    leg.stream.resume();
  }

  #parties(source: string, port?: number): Parties {
    const { namespace, service } = this.#deps.own.identity;
    return { source, destination: `${namespace}/${service}`, ...(port === undefined ? {} : { port }) };
  }
}

/** Made once: its stack says nothing, and many may be refused. */
const NO_MEMORY = new ConnectionRefusal(
  'limit',
  'this sidecar has no memory left for more connections, or for more of this peer',
);

/** The port that a caller wants, and the address of this pod that it dialed where it did not dial the sidecar. */
interface Wanted {
  readonly port: number;
  readonly address?: string;
}

/** Who waits while the application is dialed. */
interface Caller {
  isGone(): boolean;
  /** Calls back once when it goes away; nobody any more for undefined. */
  whenGone(callback: (() => void) | undefined): void;
}

function callerOf(stream: TunnelStream): Caller {
  return { isGone: () => stream.isClosed, whenGone: (callback) => stream.whenLost(callback) };
}

function callerOn(raw: Socket): Caller {
  let listener: (() => void) | undefined;
  return {
    isGone: () => raw.destroyed,
    whenGone(callback) {
      if (listener) raw.off('close', listener);
      listener = callback;
      if (callback) raw.once('close', callback);
    },
  };
}

import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { PORTS } from '#core/constants.ts';
import type { SpiffeId } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';

import { admit } from '../peer/admit.ts';
import type { AdmittedPeer } from '../peer/admit.ts';
import { ConnectError, connectTo } from '../connection/connect.ts';
import { resetSocket } from '../bytes/reset.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import { ClientContext } from './client-context.ts';
import type { Current } from './client-context.ts';
import { OpenError } from './transport.ts';

export interface PeerDialerDeps {
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  /** Port of the peers' sidecars; default {@link PORTS}.inbound. */
  readonly port?: number;
}

/** Where a sidecar is. */
export interface PeerAddress {
  /** IP of its pod. */
  readonly address: string;
  /** Its port, where it is not {@link PeerDialerDeps.port}. */
  readonly peerPort?: number | undefined;
}

/** A mutual TLS connection to another sidecar, which proved to be the expected one. */
export interface PeerConnection {
  readonly raw: Socket;
  readonly tls: TLSSocket;
  readonly peer: AdmittedPeer;
  /** The protocol the peer chose. */
  readonly alpn: string;
  /** Version of our identity that was shown. */
  readonly version: number;
  /** Whether somebody uses it already. */
  taken?: boolean;
}

/** Connects to other sidecars: TCP, TLS, and who it is. */
export class PeerDialer {
  readonly #deps: PeerDialerDeps;
  readonly #context: ClientContext;

  constructor(deps: PeerDialerDeps) {
    this.#deps = deps;
    this.#context = new ClientContext(deps.identity);
  }

  /**
   * What comes back was shown our newest certificate and judged by our newest roots: where either changed during the
   * handshake, it is made again.
   *
   * @param at where the peer's sidecar is
   * @param expect who must answer, exactly
   * @param alpn what we can speak, best first
   * @param signal gives up
   * @throws OpenError
   */
  async dial(
    at: PeerAddress,
    expect: SpiffeId,
    alpn: readonly string[],
    signal: AbortSignal,
  ): Promise<PeerConnection> {
    for (;;) {
      const connection = await this.#dialOnce(at, expect, alpn, signal);
      if (connection.version === this.#deps.identity.current()?.version) return connection;
      // Not reset: the peer may still be waiting for the end of the handshake, and would call it failed.
      connection.tls.destroySoon();
    }
  }

  async #dialOnce(
    at: PeerAddress,
    expect: SpiffeId,
    alpn: readonly string[],
    signal: AbortSignal,
  ): Promise<PeerConnection> {
    const identity = this.#context.current();
    if (!identity)
      throw new OpenError('not-ready', 'this sidecar has no certificate yet', { retry: false, eject: false });
    const raw = await this.#connect(at, signal);
    const abort = () => resetSocket(raw);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const tls = await this.#handshake(raw, identity, alpn);
      const peer = this.#admit(tls, expect, identity);
      if (signal.aborted) throw OpenError.elsewhere('unreachable', 'given up');
      return { raw, tls, peer, alpn: chosen(tls, alpn), version: identity.version };
    } catch (error) {
      resetSocket(raw);
      throw error instanceof ConnectionRefusal ? OpenError.elsewhere(error.reason, error.message) : error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #connect({ address, peerPort }: PeerAddress, signal: AbortSignal): Promise<Socket> {
    const { clock, settings, port = PORTS.inbound } = this.#deps;
    try {
      const raw = await connectTo({
        address,
        port: peerPort ?? port,
        timeoutMs: settings.connectMs,
        clock,
        signal,
      });
      raw.on('error', () => undefined);
      return raw;
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      throw OpenError.elsewhere(
        'unreachable',
        `cannot connect to the sidecar at ${address}: ${error.message}`,
      );
    }
  }

  /** Offers no name (SNI) and no session: who the peer must be is checked by its SPIFFE ID alone, and every time. */
  async #handshake(
    raw: Socket,
    { context: secureContext }: Current,
    alpn: readonly string[],
  ): Promise<TLSSocket> {
    const { clock, settings, metrics } = this.#deps;
    const started = clock.now();
    const tls = await new Promise<TLSSocket>((resolve, reject) => {
      const socket = tlsConnect({
        socket: raw,
        secureContext,
        rejectUnauthorized: false,
        // Host names mean nothing here; who the peer is, is judged by admit and its SPIFFE ID.
        checkServerIdentity: () => undefined,
        ALPNProtocols: [...alpn],
      });
      const settle = (act: () => void) => {
        timer.cancel();
        socket.off('secureConnect', onSecure);
        socket.off('close', onClose);
        act();
      };
      const fail = (reason: 'handshake-failed' | 'handshake-timeout', message: string) =>
        settle(() => reject(OpenError.elsewhere(reason, message)));
      const onSecure = () => settle(() => resolve(socket));
      const onClose = () => fail('handshake-failed', problem);
      let problem = 'the peer closed the connection during the TLS handshake';
      const timer = clock.setTimeout(() => {
        fail('handshake-timeout', `no TLS handshake within ${settings.handshakeMs} ms`);
        resetSocket(raw);
      }, settings.handshakeMs);
      socket.on('error', (error: Error) => (problem = `the TLS handshake failed: ${error.message}`));
      socket.on('secureConnect', onSecure);
      socket.on('close', onClose);
    });
    metrics.handshake('outbound', clock.now() - started);
    return tls;
  }

  #admit(tls: TLSSocket, expect: SpiffeId, { trust }: Current): AdmittedPeer {
    const peer = admit(tls, trust, this.#deps.clock.now(), 'client');
    if (peer.id === expect) return peer;
    throw new ConnectionRefusal('wrong-identity', `the peer is ${peer.id} and not ${expect}`);
  }
}

/** @throws ConnectionRefusal when it is nothing of what was offered */
function chosen(tls: TLSSocket, offered: readonly string[]): string {
  const { alpnProtocol } = tls;
  if (typeof alpnProtocol === 'string' && offered.includes(alpnProtocol)) return alpnProtocol;
  throw new ConnectionRefusal('handshake-failed', `the peer does not speak ${offered.join(' or ')}`);
}

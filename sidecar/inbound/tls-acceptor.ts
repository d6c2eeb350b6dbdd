import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';

import { secureContextOptions } from '#pki/tls-options.ts';
import type { Clock } from '#kube/clock.ts';

import { trustOf } from '../connection/admit.ts';
import type { HandshakeTrust } from '../connection/admit.ts';
import { Refusal } from '../connection/refusal.ts';
import type { DataPlaneSettings } from '../connection/settings.ts';
import type { IdentitySource } from '../seams/identity-source.ts';
import { chooseAlpn } from '../transport/alpn.ts';

interface Waiting {
  readonly resolve: (socket: TLSSocket) => void;
  readonly reject: (error: Refusal) => void;
}

/** A TLS connection, and by what its peer's certificate was checked. */
export interface Handshake {
  readonly tls: TLSSocket;
  readonly trust: HandshakeTrust;
}

/**
 * The server side of TLS handshakes, on sockets that somebody else accepted. Judges nobody: that is `admit`'s part. A new
 * identity is taken over between two handshakes; connections that are open keep theirs.
 */
export class TlsAcceptor {
  readonly #identity: IdentitySource;
  readonly #clock: Clock;
  readonly #tunnel: boolean;
  readonly #waiting = new Map<string, Waiting>();
  #server: Server | undefined;
  #version: number | undefined;
  #trust: HandshakeTrust | undefined;

  constructor(deps: {
    readonly identity: IdentitySource;
    readonly clock: Clock;
    readonly settings: Pick<DataPlaneSettings, 'tunnel'>;
  }) {
    this.#identity = deps.identity;
    this.#clock = deps.clock;
    this.#tunnel = deps.settings.tunnel;
  }

  /**
   * @param timeoutMs until the handshake must be complete
   * @throws Refusal
   */
  async handshake(raw: Socket, timeoutMs: number): Promise<Handshake> {
    const server = this.#currentServer();
    const trust = this.#trust;
    const key = tupleOf(raw);
    if (!server || !trust) throw new Refusal('not-ready', 'this sidecar has no certificate yet');
    if (key === undefined) throw new Refusal('client-gone', 'the peer closed the connection');
    const tls = await new Promise<TLSSocket>((resolve, reject) => {
      const settle = (act: () => void) => {
        timer.cancel();
        raw.off('close', onClose);
        if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
        act();
      };
      const fail = (refusal: Refusal) => settle(() => reject(refusal));
      const waiting: Waiting = { resolve: (socket) => settle(() => resolve(socket)), reject: fail };
      const onClose = () =>
        fail(new Refusal('handshake-failed', 'the peer closed the connection during the TLS handshake'));
      const timer = this.#clock.setTimeout(
        () => fail(new Refusal('handshake-timeout', `no TLS handshake within ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.#waiting.set(key, waiting);
      raw.on('close', onClose);
      server.emit('connection', raw);
    });
    return { tls, trust };
  }

  /** The TLS server with the newest identity; undefined while there is none. It never listens itself. */
  #currentServer(): Server | undefined {
    const snapshot = this.#identity.current();
    if (!snapshot || snapshot.version === this.#version) return this.#server;
    const options = secureContextOptions(snapshot.svid, snapshot.bundle);
    if (this.#server) this.#server.setSecureContext(options);
    else this.#server = this.#createServer(options);
    this.#version = snapshot.version;
    this.#trust = trustOf(snapshot);
    return this.#server;
  }

  #createServer(options: ReturnType<typeof secureContextOptions>): Server {
    const server = createServer({
      ...options,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNCallback: ({ protocols }) => chooseAlpn(protocols, this.#tunnel),
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined);
      const waiting = this.#waitingFor(socket);
      if (waiting) waiting.resolve(socket);
      else socket.destroy();
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      this.#waitingFor(socket)?.reject(
        new Refusal('handshake-failed', `the TLS handshake failed: ${readable(error)}`),
      );
      socket.destroy();
    });
    return server;
  }

  /** Node does not say which socket a TLS socket was made of; no two live connections share both ends. */
  #waitingFor(socket: TLSSocket): Waiting | undefined {
    const key = tupleOf(socket);
    return key === undefined ? undefined : this.#waiting.get(key);
  }
}

function tupleOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  return `${remoteAddress} ${remotePort ?? 0} ${localAddress} ${localPort ?? 0}`;
}

/** OpenSSL's errors name source files and functions; the last part is what people need. */
function readable(error: NodeJS.ErrnoException): string {
  return error.code?.startsWith('ERR_SSL_')
    ? error.code.slice('ERR_SSL_'.length).toLowerCase().replaceAll('_', ' ')
    : error.message;
}

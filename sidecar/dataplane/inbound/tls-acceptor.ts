import type { Socket } from 'node:net';
import { TLSSocket, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';

import { secureContextOptions } from '#pki/tls-options.ts';
import type { Clock } from '#base/clock.ts';

import { trustOf } from '../peer/admit.ts';
import type { HandshakeTrust } from '../peer/admit.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import { chooseAlpn } from '../transport/alpn.ts';

/** A TLS connection, and by what its peer's certificate was checked. */
export interface Handshake {
  readonly tls: TLSSocket;
  readonly trust: HandshakeTrust;
}

/** What an identity is shown and peers are checked with. */
interface Current {
  readonly version: number;
  readonly context: SecureContext;
  readonly trust: HandshakeTrust;
}

/** What Node keeps to itself of a server's TLS socket. Guarded by the tests of this folder on every version of Node we run on. */
interface Inside {
  readonly ssl: { verifyError(): { readonly code: string } | null | undefined };
  /** From then on errors are emitted as `error`; before, they end the handshake. */
  _releaseControl(): boolean;
}

/** Without one, a client that asks for a session of before would fail instead of making a new one. */
const SESSION_ID_CONTEXT = 'mesh';

/**
 * The server side of TLS handshakes, on sockets that somebody else accepted. Judges nobody: that is `admit`'s part. A new
 * identity is taken over between two handshakes; connections that are open keep theirs.
 *
 * It makes the TLS sockets itself: `tls.Server` asks for the certificate of a peer that it trusts with all that came with it, up to 100 KB
 * of which OpenSSL makes 1.3 MB, and Node 24 does not give that back (docs/decisions/0026-before-admission.md).
 */
export class TlsAcceptor {
  readonly #identity: IdentitySource;
  readonly #clock: Clock;
  readonly #tunnel: boolean;
  #current: Current | undefined;

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
   * @throws ConnectionRefusal
   */
  async handshake(raw: Socket, timeoutMs: number): Promise<Handshake> {
    const current = this.#newest();
    if (!current) throw new ConnectionRefusal('not-ready', 'this sidecar has no certificate yet');
    if (raw.destroyed) throw new ConnectionRefusal('client-gone', 'the peer closed the connection');
    const tls = this.#socketOn(raw, current.context);
    await this.#completed(tls, raw, timeoutMs);
    (tls as TLSSocket & Inside)._releaseControl();
    setAuthorized(tls);
    return { tls, trust: current.trust };
  }

  #socketOn(raw: Socket, secureContext: SecureContext): TLSSocket {
    const tls = new TLSSocket(raw, {
      isServer: true,
      secureContext,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNCallback: ({ protocols }: { readonly protocols: readonly string[] }) =>
        chooseAlpn(protocols, this.#tunnel),
    });
    tls.on('error', () => undefined);
    return tls;
  }

  #completed(tls: TLSSocket, raw: Socket, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        timer.cancel();
        tls.off('secure', onSecure).off('error', onError);
        raw.off('close', onClose);
        act();
      };
      const fail = (refusal: ConnectionRefusal) => settle(() => reject(refusal));
      const onSecure = () => settle(resolve);
      const onError = (error: NodeJS.ErrnoException) =>
        fail(new ConnectionRefusal('handshake-failed', `the TLS handshake failed: ${readable(error)}`));
      const onClose = () =>
        fail(
          new ConnectionRefusal(
            'handshake-failed',
            'the peer closed the connection during the TLS handshake',
          ),
        );
      const timer = this.#clock.setTimeout(
        () => fail(new ConnectionRefusal('handshake-timeout', `no TLS handshake within ${timeoutMs} ms`)),
        timeoutMs,
      );
      tls.on('secure', onSecure).on('error', onError);
      raw.on('close', onClose);
    });
  }

  /** With the newest identity; undefined while there is none. */
  #newest(): Current | undefined {
    const snapshot = this.#identity.current();
    if (!snapshot || snapshot.version === this.#current?.version) return this.#current;
    const context = createSecureContext({
      ...secureContextOptions(snapshot.svid, snapshot.bundle),
      honorCipherOrder: true,
      sessionIdContext: SESSION_ID_CONTEXT,
    });
    this.#current = { version: snapshot.version, context, trust: trustOf(snapshot) };
    return this.#current;
  }
}

/** Says of a server's socket what `tls.Server` says of its own: whether OpenSSL found a path to a root, and if not, why. */
function setAuthorized(tls: TLSSocket): void {
  const fault = (tls as TLSSocket & Inside).ssl.verifyError();
  tls.authorized = !fault;
  // Typed as an Error by Node, and a string in fact.
  if (fault) tls.authorizationError = fault.code as unknown as Error;
}

/** OpenSSL's errors name source files and functions; the last part is what people need. */
function readable(error: NodeJS.ErrnoException): string {
  return error.code?.startsWith('ERR_SSL_')
    ? error.code.slice('ERR_SSL_'.length).toLowerCase().replaceAll('_', ' ')
    : error.message;
}

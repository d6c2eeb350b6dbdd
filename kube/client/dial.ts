import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import type { Clock } from '#base/clock.ts';
import { failureText } from '#base/error-text.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import { KubeUnreachableError } from '../errors.ts';

/** The kernel probes an idle connection after this long, so that a vanished peer is noticed under HTTP/1.1 too. */
const KEEP_ALIVE_MS = 15_000;

/** A connected socket, and what was agreed to speak on it. */
export interface Dialed {
  readonly socket: Socket;
  readonly protocol: 'h2' | 'http/1.1';
}

/**
 * Connects to the API server; over TLS it offers HTTP/2 and HTTP/1.1 by ALPN.
 *
 * @param timeoutMs for TCP and TLS handshake together
 * @throws KubeUnreachableError
 */
export async function dial(config: ClusterConfig, clock: Clock, timeoutMs: number): Promise<Dialed> {
  const url = new URL(config.server);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || (url.protocol === 'http:' ? 80 : 443));
  const ca = config.readCa ? await config.readCa().catch(() => config.caPem) : config.caPem;
  const socket = url.protocol === 'http:' ? connectTcp({ host, port }) : dialTls(config, host, port, ca);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setNoDelay(true);
  await connected(socket, url, clock, timeoutMs);
  const h2 = 'alpnProtocol' in socket && socket.alpnProtocol === 'h2';
  return { socket, protocol: h2 ? 'h2' : 'http/1.1' };
}

function dialTls(config: ClusterConfig, host: string, port: number, ca: string | undefined): TLSSocket {
  const servername = config.tlsServerName ?? (isIP(host) ? undefined : host);
  return connectTls({
    host,
    port,
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: config.insecureSkipTlsVerify !== true,
    ...(ca === undefined ? {} : { ca }),
    ...(servername === undefined ? {} : { servername }),
    ...(config.clientCert ? { cert: config.clientCert.certPem, key: config.clientCert.keyPem } : {}),
  });
}

function connected(socket: Socket, url: URL, clock: Clock, timeoutMs: number): Promise<void> {
  const event = url.protocol === 'http:' ? 'connect' : 'secureConnect';
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      timer.cancel();
      socket.destroy();
      reject(
        new KubeUnreachableError(
          `cannot connect to the API server at ${url.origin}: ${failureText(cause)}`,
          cause,
        ),
      );
    };
    const closed = (): void => fail(new Error('it closed the connection'));
    const timer = clock.setTimeout(() => fail(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    socket.once('error', fail);
    socket.once('close', closed);
    socket.once(event, () => {
      timer.cancel();
      socket.off('error', fail);
      socket.off('close', closed);
      resolve();
    });
  });
}

import { createServer as createHttpServer } from 'node:http';
import type { RequestListener, Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

import type { Express } from 'express';

import { secureContextOptions } from '#pki/tls-options.ts';

import type { ServingPair } from './serving-certificate.ts';

/** Time limits of a request, in milliseconds: a slow or silent client must not hold a place. */
const LIMITS = {
  requestTimeout: 15_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 4_096;
const MAX_HEADER_BYTES = 16 * 1024;
const BACKLOG = 1_024;

/** A server that listens, and can end. */
export class Listener {
  readonly #server: HttpServer | HttpsServer;

  /** @param maxConnections others are closed at once */
  constructor(server: HttpServer | HttpsServer, maxConnections = MAX_CONNECTIONS) {
    this.#server = server;
    server.maxConnections = maxConnections;
    // A client that goes away in the middle is its own affair; without a handler it would end the process.
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** @returns the port it listens on. */
  async listen(port: number, host?: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, backlog: BACKLOG, ...(host ? { host } : {}) }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more, lets what is under way end, and cuts it after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#server.closeAllConnections(), deadlineMs);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }
}

/** Plain HTTP, for what every pod of the cluster may see. */
export function httpListener(app: Express): Listener {
  return new Listener(createHttpServer({ ...LIMITS, maxHeaderSize: MAX_HEADER_BYTES }, handler(app)));
}

/** HTTPS with TLS 1.3 only, whose certificate can be exchanged while it runs. */
export class HttpsListener extends Listener {
  readonly #https: HttpsServer;

  constructor(app: Express, pair: ServingPair, maxConnections?: number) {
    const server = createHttpsServer(
      {
        ...secureContextOptions(pair),
        ...LIMITS,
        maxHeaderSize: MAX_HEADER_BYTES,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        ALPNProtocols: ['http/1.1'],
      },
      handler(app),
    );
    super(server, maxConnections);
    this.#https = server;
    server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** New connections see the new certificate; open ones go on. */
  useCertificate(pair: ServingPair): void {
    this.#https.setSecureContext(secureContextOptions(pair));
  }
}

function handler(app: Express): RequestListener {
  return (request, response) => {
    // Express is itself a request listener; its type only knows its own, richer request.
    void (app as unknown as RequestListener)(request, response);
  };
}

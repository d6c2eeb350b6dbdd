import { sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

import { generateKeys } from '#pki/keys.ts';
import type { KeyPair } from '#pki/keys.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

/** An API server that knows whose tokens are whose, and nothing else. */
export class FakeTokenReviews {
  readonly caPem: string;
  readonly #server: Server;
  readonly #keys: KeyPair;
  readonly #known = new Map<string, { namespace: string; account: string }>();

  private constructor(server: Server, caPem: string, keys: KeyPair) {
    this.#server = server;
    this.caPem = caPem;
    this.#keys = keys;
  }

  static async start(): Promise<FakeTokenReviews> {
    const pki = await TestPki.create();
    const { certChainPem, keyPem } = await pki.serving(['localhost']);
    const server = createServer({ cert: certChainPem, key: keyPem });
    const fake = new FakeTokenReviews(server, pki.rootPem, await generateKeys());
    server.on('request', (request, response) => {
      void json(request).then((review) => {
        const { token, audiences } = (review as { spec: { token: string; audiences?: string[] } }).spec;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ ...(review as object), status: fake.#status(token, audiences) }));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return fake;
  }

  get address(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A token of a ServiceAccount, of the audience `vault`. */
  token(namespace: string, account: string): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'https://kubernetes.default.svc',
      aud: ['vault'],
      ...{ iat: now, nbf: now, exp: now + 3600 },
      sub: `system:serviceaccount:${namespace}:${account}`,
      'kubernetes.io': { namespace, serviceaccount: { name: account, uid: `uid-${account}` } },
    };
    const parts = [{ alg: 'ES256', typ: 'JWT' }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    );
    const signed = parts.join('.');
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' as const };
    const token = `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
    this.#known.set(token, { namespace, account });
    return token;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #status(token: string, audiences: string[] = []): object {
    const known = this.#known.get(token);
    if (!known) return { authenticated: false };
    const username = `system:serviceaccount:${known.namespace}:${known.account}`;
    return { authenticated: true, audiences, user: { username, uid: `uid-${known.account}` } };
  }
}

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { ConnectionOptions, Server, TLSSocket } from 'node:tls';

import { TestPki } from './testing/test-pki.fake.ts';
import { secureContextOptions } from './tls-options.ts';
import type { Svid } from './svid.ts';

const WEB = { namespace: 'shop', service: 'web' };
const DB = { namespace: 'shop', service: 'db' };

interface Outcome {
  readonly authorized: boolean;
  readonly reason: unknown;
  readonly protocol: string | null;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
}

describe('a TLS context of the mesh', () => {
  let pki: TestPki;
  let db: Svid;
  let web: Svid;
  let server: Server;
  beforeAll(async () => {
    pki = await TestPki.create();
    [db, web] = await Promise.all([pki.svid(DB), pki.svid(WEB)]);
  });
  beforeEach(async () => {
    server = createServer({
      ...secureContextOptions(db, pki.bundle),
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    server.close();
  });

  /** Connects once and tells what the server saw. */
  async function dial(options: ConnectionOptions): Promise<Outcome> {
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const client = connect({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...options,
    });
    client.on('error', () => undefined);
    let session: Buffer | undefined;
    client.on('session', (ticket: Buffer) => (session = ticket));
    const [socket] = await Promise.race([
      accepted,
      once(server, 'tlsClientError').then(([error]) => Promise.reject(error as Error)),
    ]);
    socket.end('x');
    client.resume();
    await once(client, 'close');
    const { authorized, authorizationError: reason } = socket;
    return {
      authorized,
      reason,
      protocol: client.getProtocol() ?? socket.getProtocol(),
      reused: socket.isSessionReused(),
      session,
    };
  }

  test('trusts a workload of the mesh, speaking TLS 1.3', async () => {
    expect(await dial(secureContextOptions(web, pki.bundle))).toMatchObject({
      authorized: true,
      reason: null,
    });
  });

  test.each<[string, (pki: TestPki) => Promise<ConnectionOptions>, string]>([
    [
      'a foreign authority',
      async (own) => secureContextOptions(await (await own.foreign()).svid(WEB), own.bundle),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
    [
      'an ended certificate',
      async (own) =>
        secureContextOptions(
          await own.svid(WEB, { notBefore: Date.now() - 9e6, notAfter: Date.now() - 8e6 }),
          own.bundle,
        ),
      'CERT_HAS_EXPIRED',
    ],
    [
      'a certificate from tomorrow',
      async (own) => secureContextOptions(await own.svid(WEB, { notBefore: Date.now() + 8e7 }), own.bundle),
      'CERT_NOT_YET_VALID',
    ],
    [
      'a certificate for servers only',
      async (own) => secureContextOptions(await own.svid(WEB, { eku: ['serverAuth'] }), own.bundle),
      'INVALID_PURPOSE',
    ],
  ])('does not trust %s', async (_what, options, code) => {
    const outcome = await dial(await options(pki));
    expect(outcome.authorized).toBe(false);
    expect(String(outcome.reason)).toContain(code);
  });

  test('refuses TLS 1.2, also after an exchange of certificates', async () => {
    const old: ConnectionOptions = { cert: web.certChainPem, key: web.keyPem, maxVersion: 'TLSv1.2' };
    await expect(dial(old)).rejects.toThrow(/unsupported protocol/);
    server.setSecureContext(secureContextOptions(await pki.svid(DB), pki.bundle));
    await expect(dial(old)).rejects.toThrow(/unsupported protocol/);
  });

  test('never resumes a session, also after an exchange of certificates', async () => {
    const options = secureContextOptions(web, pki.bundle);
    const again = async (): Promise<Outcome> => {
      const { session } = await dial(options);
      expect(session).toBeDefined();
      return dial({ ...options, session: session! });
    };
    expect((await again()).reused).toBe(false);
    server.setSecureContext(secureContextOptions(db, pki.bundle));
    expect((await again()).reused).toBe(false);
  });

  test('trusts nobody, not the public web authorities either, when no bundle is given', () => {
    expect(secureContextOptions(db).ca).toEqual([]);
  });
});

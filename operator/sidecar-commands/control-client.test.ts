import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';

import { peerSpiffeId } from '#pki/peer.ts';
import type { Svid } from '#pki/svid.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';
import { secureContextOptions } from '#pki/tls-options.ts';

import { askSidecar } from './control-client.ts';

const OPERATOR = { namespace: 'mesh', service: 'mesh-operator' };
const JOB = { namespace: 'shop', service: 'report' };

describe('telling a sidecar that its pod’s work is done', () => {
  let pki: TestPki;
  let identity: Svid;
  const servers: Server[] = [];

  beforeAll(async () => {
    pki = await TestPki.create();
    identity = await pki.svid(OPERATOR);
  });

  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function sidecar(
    svid: Svid,
    answer: (socket: TLSSocket, line: string) => void,
    alpn = ['mesh-control/1'],
  ): Promise<number> {
    const server = createServer(
      {
        ...secureContextOptions(svid, pki.bundle),
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: alpn,
      },
      (socket) => {
        socket.on('error', () => undefined);
        socket.setEncoding('utf8').once('data', (line: string) => answer(socket, line));
      },
    );
    server.on('tlsClientError', () => undefined);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  const tell = (port: number, timeoutMs?: number): Promise<object> =>
    askSidecar(
      { ip: '127.0.0.1', port, spiffeId: pki.spiffeId(JOB) },
      'finish',
      { identity, bundle: pki.bundle },
      timeoutMs,
    );

  test('says one line as the operator, and hears ok', async () => {
    const heard: string[] = [];
    const port = await sidecar(await pki.svid(JOB), (socket, line) => {
      const certificate = socket.getPeerX509Certificate();
      const peer = certificate && peerSpiffeId(certificate);
      heard.push(peer?.ok ? peer.id : 'nobody', line);
      socket.end('{"ok":true}\n');
    });
    await tell(port);
    expect(heard).toEqual([pki.spiffeId(OPERATOR), '{"command":"finish"}\n']);
  });

  test.each<[string, (socket: TLSSocket) => void, RegExp]>([
    ['a refusal', (socket) => socket.end('{"ok":false}\n'), /said no/],
    ['no JSON', (socket) => socket.end('hello\n'), /not JSON/],
    ['an endless answer', (socket) => socket.write('x'.repeat(20_000)), /too long/],
    ['a closed connection', (socket) => socket.end(), /without an answer/],
    ['silence', () => undefined, /no answer within 300 ms/],
  ])('%s is a failure', async (_name, answer, message) => {
    const port = await sidecar(await pki.svid(JOB), answer);
    await expect(tell(port, 300)).rejects.toThrow(message);
  });

  test('says nothing to another service at that address', async () => {
    let heard = false;
    const port = await sidecar(await pki.svid({ namespace: 'shop', service: 'other' }), () => (heard = true));
    await expect(tell(port)).rejects.toThrow(/the peer is spiffe:.*other and not/);
    expect(heard).toBe(false);
  });

  test('says nothing to a certificate of a foreign authority', async () => {
    const foreign = await pki.foreign();
    const port = await sidecar(await foreign.svid(JOB), () => undefined);
    await expect(tell(port)).rejects.toThrow();
  });

  test('says nothing to a certificate of a federated root, whatever name is in it', async () => {
    const partner = await TestPki.create({ trustDomain: 'partner.example' });
    const roots = [pki, partner].map(
      ({ trustDomain, bundle }) => [trustDomain, bundle.rootsOfAllDomains] as const,
    );
    let heard = false;
    const forged = await partner.leaf(JOB, { uri: pki.spiffeId(JOB) });
    const port = await sidecar({ ...identity, ...forged }, (socket) => {
      heard = true;
      socket.end('{"ok":true}\n');
    });
    const target = { ip: '127.0.0.1', port, spiffeId: pki.spiffeId(JOB) };
    await expect(
      askSidecar(target, 'finish', { identity, bundle: new TrustBundle(new Map(roots)) }),
    ).rejects.toThrow();
    expect(heard).toBe(false);
  });

  test('a closed port is a failure', async () => {
    await expect(tell(1)).rejects.toThrow(/ECONNREFUSED/);
  });
});

import type { Socket } from 'node:net';

import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { trustBundleOf } from '#pki/trust-bundle.ts';

import { FakeApp } from '../../testing/app.fake.ts';
import { FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { callerHeader } from './proxy-protocol.ts';
import { readHeader } from './testing/proxy-header.fake.ts';
import type { ReadHeader } from './testing/proxy-header.fake.ts';

/** What an application on a port of `mesh/proxy-protocol-ports` learns of its callers. */

let mesh: FakeMesh;
let ports: Set<number>;
/** The header and all bytes that the application got, connection by connection. */
let connections: { header: ReadHeader | undefined; bytes: Buffer }[];

/** Reads a header first, and answers what follows with itself. */
function introduced(socket: Socket): void {
  const connection: (typeof connections)[number] = { header: undefined, bytes: Buffer.alloc(0) };
  connections.push(connection);
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    connection.bytes = Buffer.concat([connection.bytes, chunk]);
    if (connection.header) return void socket.write(chunk);
    connection.header = readHeader(connection.bytes);
    if (connection.header && connection.header.rest.length > 0) socket.write(connection.header.rest);
  });
}

beforeEach(async () => {
  connections = [];
  ports = new Set();
  mesh = await FakeMesh.start({ pods: 0 });
  await mesh.addPod({ app: new FakeApp(introduced), inbound: { proxyProtocolPorts: ports } });
  ports.add(mesh.db.app.port);
});
afterEach(() => mesh.stop());

const web = () => mesh.pki.spiffeId(WEB);
const here = () => ({ address: mesh.db.address, port: mesh.db.app.port });
const forged = () =>
  callerHeader({
    source: { address: '10.0.0.1', port: 1 },
    destination: here(),
    spiffeId: mesh.pki.spiffeId({ namespace: 'shop', service: 'admin' }),
  });

describe('a caller that comes by mutual TLS', () => {
  test('through a tunnel: its SPIFFE ID, its address and the port that it wants, on each of its connections', async () => {
    for (const count of [1, 2]) {
      const client = await mesh.connect();
      expect((await client.exchange('hello')).toString()).toBe('hello');
      expect(connections).toHaveLength(count);
      expect(connections.at(-1)!.header).toMatchObject({
        command: 'PROXY',
        family: 'TCP4',
        spiffeId: web(),
        source: { address: '127.0.0.1', port: expect.any(Number) },
        destination: here(),
      });
    }
    expect(mesh.db.metrics.tunnelsOpened).toBe(1);
    expect(connections[0]!.header!.source).toEqual(connections[1]!.header!.source);
  });

  test('as another sidecar without a tunnel', async () => {
    const peer = await RawPeer.web(mesh);
    expect(await peer.ask({ port: mesh.db.app.port })).toEqual({ ok: true });
    await eventually(() => connections[0]?.header !== undefined);
    expect(connections[0]!.header).toMatchObject({ spiffeId: web(), destination: here() });
    expect(connections[0]!.header!.source).toEqual({ address: '127.0.0.1', port: peer.raw.localPort });
  });

  test('with nothing of ours, before it says anything', async () => {
    const peer = await RawPeer.web(mesh, { ALPNProtocols: [] });
    await eventually(() => connections[0]?.header !== undefined);
    expect(connections[0]!.header).toMatchObject({ spiffeId: web(), destination: here() });
    expect(connections[0]!.header!.source).toEqual({ address: '127.0.0.1', port: peer.raw.localPort });
  });

  test('redirected: the address that it dialed', async () => {
    const dialed = { address: '10.77.0.2', port: mesh.db.app.port };
    mesh.db.originalDestination.next = dialed;
    await RawPeer.web(mesh, { ALPNProtocols: [] });
    await eventually(() => connections[0]?.header !== undefined);
    expect(connections[0]!.header).toMatchObject({ spiffeId: web(), destination: dialed });
  });

  test('from another trust domain: its own SPIFFE ID, whatever its path says', async () => {
    const partner = await TestPki.create({ trustDomain: 'partner.example' });
    const config = {
      metadata: { name: 'mesh' },
      spec: {
        trustDomain: mesh.pki.trustDomain,
        federation: [{ trustDomain: 'partner.example', bundle: partner.rootPem }],
      },
      status: {
        roots: [{ id: 'own', pem: mesh.pki.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }],
      },
    };
    const { bundle } = trustBundleOf(config);
    mesh.db.identity.set({ bundle });
    const svid = await partner.svid(WEB);
    const peer = await RawPeer.web(mesh, { ALPNProtocols: [], cert: svid.certChainPem, key: svid.keyPem });
    expect(peer.ending).toBe('open');
    await eventually(() => connections[0]?.header !== undefined);
    expect(connections[0]!.header!.spiffeId).toMatch(/^spiffe:\/\/partner\.example\//);
  });

  test("and writes a header itself: the application reads ours first, and that one as the caller's bytes", async () => {
    const client = await mesh.connect();
    client.socket.write(forged());
    await eventually(() => client.received.length === forged().length);
    expect(connections[0]!.header!.spiffeId).toBe(web());
    expect(client.received).toEqual(forged());
  });

  test('and is denied: the application gets nothing, because it is not dialed', async () => {
    mesh.policy.deny();
    const client = await mesh.connect();
    expect(await client.ended()).toBe('reset');
    expect(mesh.db.app.seen).toBe(0);
  });
});

describe('a caller in cleartext, of a permissive service', () => {
  beforeEach(() => {
    mesh.own.set({ mtls: 'permissive' });
    mesh.db.originalDestination.next = here();
  });

  test('has addresses and no identity', async () => {
    const peer = (await RawPeer.open(mesh)).listen();
    peer.raw.write('hello');
    await eventually(() => peer.received.toString() === 'hello');
    expect(connections[0]!.header).toMatchObject({
      command: 'PROXY',
      source: { address: '127.0.0.1', port: peer.raw.localPort },
      destination: here(),
      tlvs: new Map(),
    });
  });

  test('has no identity either when it writes a header with one', async () => {
    const peer = (await RawPeer.open(mesh)).listen();
    peer.raw.write(forged());
    await eventually(() => peer.received.length === forged().length);
    expect(connections[0]!.header!.spiffeId).toBeUndefined();
  });
});

test('a server that speaks first is heard', async () => {
  mesh.db.app.onConnection((socket) => (introduced(socket), void socket.write('220 ready')));
  const client = await mesh.connect();
  await eventually(() => client.text === '220 ready');
  await eventually(() => connections[0]?.header?.spiffeId === web());
});

test('the header counts as no byte of the caller', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  client.socket.end();
  await eventually(() => mesh.db.metrics.closed.length === 1);
  expect(mesh.db.metrics.closed[0]).toMatchObject({ bytesToServer: 5, bytesToClient: 5 });
});

test('a port that did not ask gets the bytes of the caller and nothing else', async () => {
  ports.clear();
  const client = await mesh.connect();
  client.socket.write('hello');
  await eventually(() => connections[0]?.bytes.toString() === 'hello');
  mesh.own.set({ mtls: 'permissive' });
  mesh.db.originalDestination.next = here();
  const peer = (await RawPeer.open(mesh)).listen();
  peer.raw.write('cleartext');
  await eventually(() => connections[1]?.bytes.toString() === 'cleartext');
});

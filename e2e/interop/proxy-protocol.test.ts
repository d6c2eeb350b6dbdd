import { connect } from 'node:net';

import { freePort } from '#base/testing/free-port.fake.ts';
import { ServerProcess } from '#operator/ca/server-process.fake.ts';
import { parseProbes } from '#sidecar/config/probe.ts';
import { runProbe } from '#sidecar/admin/probes/run-probe.ts';
import { callerHeader } from '#sidecar/dataplane/inbound/proxy-protocol.ts';
import { FakeMesh, WEB } from '#sidecar/testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { RawPeer } from '#sidecar/testing/raw-peer.fake.ts';

import { realServers, startHaproxy, startNginx } from './proxy-protocol.fake.ts';

/** Servers as people run them, behind a sidecar that writes PROXY protocol headers. */
const found = await realServers();
const [servers, reason] = typeof found === 'string' ? [undefined, ` (skipped: ${found})`] : [found, ''];
const describeHere = servers ? describe : describe.skip;
const REQUEST = 'GET / HTTP/1.1\r\nHost: db\r\nConnection: close\r\n\r\n';

const PROBE = `app/readiness-${'5'.repeat(32)}`;

describeHere(`a PROXY protocol header${reason}`, () => {
  let mesh: FakeMesh;
  let port: number;
  let server: ServerProcess | undefined;

  beforeEach(async () => {
    port = await freePort();
    mesh = await FakeMesh.start({ pods: 0 });
    await mesh.addPod({ inbound: { proxyProtocolPorts: new Set([port]) } });
    mesh.own.set({ ports: [port] });
    mesh.target.set([{ address: mesh.db.address, port }]);
  });
  afterEach(async () => {
    await server?.remove();
    await mesh.stop();
  });

  const run = async (start: typeof startNginx, command: keyof NonNullable<typeof servers>) => {
    server = new ServerProcess();
    await start(server, servers![command], { address: mesh.db.address, port });
  };
  /** The body of the answer to one request; empty when there is none. */
  const body = (answer: string): string => answer.split('\r\n\r\n')[1] ?? '';
  const byTunnel = async (request: string | Buffer): Promise<string> => {
    const client = await mesh.connect();
    client.socket.write(request);
    await client.ended();
    return client.text;
  };
  const inCleartext = async (request: string | Buffer): Promise<string> => {
    mesh.own.set({ mtls: 'permissive' });
    mesh.db.originalDestination.next = { address: mesh.db.address, port };
    const peer = (await RawPeer.open(mesh)).listen();
    peer.raw.write(request);
    await eventually(() => peer.ending !== 'open');
    return peer.received.toString();
  };
  const forged = () => {
    const spiffeId = mesh.pki.spiffeId({ namespace: 'shop', service: 'admin' });
    const here = { address: mesh.db.address, port };
    return Buffer.concat([
      callerHeader({ source: { address: '10.0.0.1', port: 1 }, destination: here, spiffeId }),
      Buffer.from(REQUEST),
    ]);
  };

  describe('is read by nginx', () => {
    beforeEach(() => run(startNginx, 'nginx'));
    const fields = (answer: string) => body(answer).split('|');

    test('with the SPIFFE ID of a caller by mutual TLS', async () => {
      const [source, sourcePort, ...rest] = fields(await byTunnel(REQUEST));
      expect([source, Number(sourcePort) > 0]).toEqual(['127.0.0.1', true]);
      expect(rest).toEqual([mesh.db.address, String(port), mesh.pki.spiffeId(WEB), '0', 'TLSv1.3']);
    });

    test('without any identity of a caller in cleartext', async () => {
      const [source, , ...rest] = fields(await inCleartext(REQUEST));
      expect(source).toBe('127.0.0.1');
      expect(rest).toEqual([mesh.db.address, String(port), '', '', '']);
    });

    test.each([
      ['by mutual TLS', byTunnel],
      ['in cleartext', inCleartext],
    ])('before the header that a caller %s writes itself, which is a bad request', async (_how, send) => {
      const answer = await send(forged());
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).not.toContain('admin');
    });

    test('of a probe, which has the command LOCAL', async () => {
      const text = JSON.stringify({ [PROBE]: { httpGet: { port, path: '/' }, timeoutSeconds: 5 } });
      const probe = parseProbes(text).get(PROBE)!;
      const at = [{ address: mesh.db.address }];
      expect(await runProbe(probe, at, new Set([port]))).toMatchObject({ ok: true });
      expect(await runProbe(probe, at)).toMatchObject({ ok: false });
    });
  });

  describe('is read by HAProxy', () => {
    beforeEach(() => run(startHaproxy, 'haproxy'));

    test('with the SPIFFE ID and the addresses of the caller, and without a header nothing is served', async () => {
      const [source, sourcePort, ...rest] = body(await byTunnel(REQUEST)).split('|');
      expect([source, Number(sourcePort) > 0]).toEqual(['127.0.0.1', true]);
      expect(rest).toEqual([mesh.db.address, String(port), mesh.pki.spiffeId(WEB)]);
      expect(body(await inCleartext(REQUEST))).toMatch(/\|$/);
      const direct = await new Promise<string>((resolve) => {
        let answer = '';
        const socket = connect(port, mesh.db.address, () => socket.write(REQUEST));
        socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
        socket.on('error', () => undefined).on('close', () => resolve(answer));
      });
      expect(direct).toBe('');
    });

    test('of a probe, which has the command LOCAL', async () => {
      const text = JSON.stringify({ [PROBE]: { httpGet: { port, path: '/' }, timeoutSeconds: 5 } });
      const probe = parseProbes(text).get(PROBE)!;
      const at = [{ address: mesh.db.address }];
      expect(await runProbe(probe, at, new Set([port]))).toMatchObject({ ok: true });
      expect(await runProbe(probe, at)).toMatchObject({ ok: false });
    });
  });
});

import { connect } from 'node:tls';

import { GHOSTUNNEL, skipReason } from '#operator/ca/go-programs.fake.ts';
import { secureContextOptions } from '#pki/tls-options.ts';
import { FakeApp, FakeClient } from '#sidecar/testing/app.fake.ts';
import { DB, FakeMesh, WEB } from '#sidecar/testing/data-plane.fake.ts';

import { Ghostunnel } from './ghostunnel.fake.ts';

const HOST = 'db.test';
const reason = skipReason(GHOSTUNNEL);
const describeHere = reason ? describe.skip : describe;

describeHere(`ghostunnel with certificates of the mesh${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let mesh: FakeMesh;
  const tunnels: Ghostunnel[] = [];
  beforeEach(async () => {
    mesh = await FakeMesh.start({ settings: { headerMs: 300 } });
  });
  afterEach(async () => {
    for (const tunnel of tunnels.splice(0)) await tunnel.remove();
    await mesh.stop();
  });

  const identity = async (who: { namespace: string; service: string }) => ({
    ...(await mesh.pki.svid(who)),
    rootsPem: mesh.pki.rootPem,
  });

  async function client(serverId: string): Promise<FakeClient> {
    const target = `${mesh.db.address}:${mesh.inboundPort}`;
    const tunnel = await Ghostunnel.client(await identity(WEB), target, serverId, [
      '--override-server-name',
      HOST,
    ]);
    tunnels.push(tunnel);
    return mesh.track(await FakeClient.connect(tunnel.port));
  }

  /** db shows a certificate that names a host besides, as the mesh itself makes none. */
  async function nameHost(): Promise<void> {
    mesh.db.identity.set({ svid: await mesh.pki.svid(DB, { extraSans: [{ type: 'dns', value: HOST }] }) });
  }

  test('as a client with certificate files asks for a host name too, which no certificate of the mesh has', async () => {
    const peer = await client(mesh.pki.spiffeId(DB));
    await peer.ended();
    expect(tunnels[0]!.output).toContain('certificate is not valid for any names');
    expect(mesh.db.metrics.refused).toEqual(['handshake-failed']);
  });

  test('as a client reaches a service that names its host, and is cut when a rule denies it', async () => {
    await nameHost();
    const peer = await client(mesh.pki.spiffeId(DB));
    expect((await peer.exchange('hello')).toString()).toBe('hello');
    expect(mesh.db.metrics.opened).toMatchObject([{ peer: mesh.pki.spiffeId(WEB) }]);
    mesh.policy.deny();
    expect(await peer.ended()).not.toBe('open');
    expect(mesh.db.metrics.cut).toEqual(['denied']);
  });

  test('as a client leaves when the service is not the one that it looks for', async () => {
    await nameHost();
    const peer = await client(mesh.pki.spiffeId({ ...DB, service: 'other' }));
    await peer.ended();
    expect(peer.received).toHaveLength(0);
    expect(mesh.db.app.seen).toBe(0);
  });

  test('as a server takes the service that it allows, by its certificate of the mesh, and no other', async () => {
    const app = await new FakeApp().start();
    mesh.onStop(() => app.stop());
    const tunnel = await Ghostunnel.server(await identity(DB), app.port, mesh.pki.spiffeId(WEB));
    tunnels.push(tunnel);
    const ask = async (service: string): Promise<string> => {
      const svid = await mesh.pki.svid({ ...WEB, service });
      const socket = connect({
        ...{ host: '127.0.0.1', port: tunnel.port },
        ...secureContextOptions(svid, mesh.pki.bundle),
        checkServerIdentity: (_host, { subjectaltname }) =>
          subjectaltname === `URI:${mesh.pki.spiffeId(DB)}` ? undefined : new Error(subjectaltname),
      });
      socket.write('hello');
      const answer = await new Promise<string>((resolve) => {
        socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
        socket.once('error', () => resolve('refused'));
        socket.once('close', () => resolve('refused'));
      });
      socket.destroy();
      return answer;
    };
    expect(await ask('web')).toBe('hello');
    expect(await ask('admin')).toBe('refused');
  });
});

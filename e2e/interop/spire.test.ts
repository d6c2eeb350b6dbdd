import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';

import type { BundleEndpoint, FederationStatus } from '#core/model/federation.ts';
import { systemClock } from '#base/clock.ts';
import { endpointId, take } from '#operator/controllers/federation/plan.ts';
import { httpsBundleSource } from '#operator/controllers/federation/bundle-source.ts';
import { GHOSTUNNEL, SPIRE_AGENT, SPIRE_SERVER, skipReason } from '#operator/ca/go-programs.fake.ts';
import { readCertificates } from '#pki/pem.ts';
import { readSpiffeBundle, readWrittenBundle, writeSpiffeBundle } from '#pki/spiffe-bundle.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { FakeApp, FakeClient } from '#sidecar/testing/app.fake.ts';
import { DB, WEB } from '#sidecar/testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { RawPeer } from '#sidecar/testing/raw-peer.fake.ts';

import { Ghostunnel } from './ghostunnel.fake.ts';
import { MeshedService } from './meshed-service.fake.ts';
import { PARTNER, Spire } from './spire.fake.ts';

const reason = [SPIRE_SERVER, SPIRE_AGENT, GHOSTUNNEL].map(skipReason).find((one) => one !== undefined);
const describeHere = reason ? describe.skip : describe;
const signal = new AbortController().signal;

/** As the operator's controller does it. */
async function fetchBundle(endpoint: BundleEndpoint, previous?: FederationStatus): Promise<FederationStatus> {
  const authorities =
    endpoint.profile === 'https_web' ? [] : readWrittenBundle(previous?.bundle ?? endpoint.bundle ?? '');
  const bundle = readSpiffeBundle(await httpsBundleSource(systemClock)(endpoint, authorities, signal));
  const source = endpointId(endpoint);
  const taken = take(previous, bundle, { trustDomain: PARTNER, source, now: Date.now() });
  if (!('status' in taken)) throw new Error(taken.message);
  return taken.status;
}

const prints = (pem: string) => readCertificates(pem).map(({ fingerprint256 }) => fingerprint256);

describeHere(`federation with SPIRE${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let db: MeshedService;
  let spire: Spire;
  let endpoint: BundleEndpoint;
  let payments: string;
  const tunnels: Ghostunnel[] = [];

  beforeAll(async () => {
    db = await MeshedService.start();
    const { trustDomain } = db.mesh.pki;
    spire = await Spire.start({
      federatesWith: [{ trustDomain, url: db.bundleUrl, spiffeId: db.bundleServer }],
    });
    const first = { sequence: 1, refreshHint: 60 };
    await spire.setBundle(trustDomain, writeSpiffeBundle(readCertificates(db.mesh.pki.rootPem), first));
    payments = await spire.entry('/payments', [trustDomain]);
    await spire.startAgent();
    await spire.fetchSvid();
    endpoint = {
      url: spire.bundleUrl,
      profile: 'https_spiffe',
      endpointSpiffeId: `spiffe://${PARTNER}/spire/server`,
      bundle: await spire.bundle('spiffe'),
    };
  }, 120_000);
  afterAll(async () => {
    for (const tunnel of tunnels) await tunnel.remove();
    await spire?.remove();
    await db?.stop();
  });

  test('its endpoint is fetched by its identity, first with the bundle that a person wrote', async () => {
    const fetched = await fetchBundle(endpoint);
    expect(fetched).toMatchObject({ trustDomain: PARTNER, sequence: expect.any(Number) });
    expect(prints(fetched.bundle!)).toEqual(prints(await spire.bundle('pem')));
    const other = { ...endpoint, endpointSpiffeId: `spiffe://${PARTNER}/spire/agent` };
    await expect(fetchBundle(other)).rejects.toThrow(
      'it is "spiffe://partner.example/spire/server" instead of "spiffe://partner.example/spire/agent"',
    );
    const stranger = await TestPki.create({ trustDomain: PARTNER });
    await expect(fetchBundle({ ...endpoint, bundle: stranger.rootPem })).rejects.toThrow('certificate');
  });

  test('a workload of SPIRE reaches the meshed service under a rule with its SPIFFE ID, and no other', async () => {
    db.federate(endpoint, await fetchBundle(endpoint));
    const svid = await spire.fetchSvid();
    const ask = async (): Promise<RawPeer> => {
      const tls = { cert: svid.certChainPem, key: svid.keyPem, ALPNProtocols: [] };
      const peer = await RawPeer.web(db.mesh, tls);
      peer.tls!.write('hello');
      await eventually(() => peer.received.length > 0 || peer.ending !== 'open');
      return peer;
    };
    db.allow({ spiffeId: payments });
    expect((await ask()).received.toString()).toBe('hello');
    expect(db.mesh.db.metrics.opened.at(-1)).toMatchObject({ peer: payments });
    db.allow({ spiffeId: `spiffe://${PARTNER}/shipping` });
    expect((await ask()).ending).toBe('reset');
  });

  test('ghostunnel with a SPIRE identity and our bundle as SPIRE fetched it talks to the meshed service, until the rule goes', async () => {
    expect(readSpiffeBundle(await spire.refreshed(db.mesh.pki.trustDomain)).roots.map(String)).toEqual([
      db.mesh.pki.rootPem,
    ]);
    db.federate(endpoint, await fetchBundle(endpoint));
    db.allow({ spiffeId: payments });
    const target = `${db.mesh.db.address}:${db.mesh.inboundPort}`;
    const identity = { workloadApi: spire.workloadApi };
    const tunnel = await Ghostunnel.client(identity, target, db.mesh.pki.spiffeId(DB));
    tunnels.push(tunnel);
    const client = db.mesh.track(await FakeClient.connect(tunnel.port));
    expect((await client.exchange('hello')).toString()).toBe('hello');
    const began = Date.now();
    db.allow({ service: 'web' });
    await client.ended();
    expect(Date.now() - began).toBeLessThan(1_000);
    // It looks for exactly the service that it was told.
    db.allow({ spiffeId: payments });
    const wrong = await Ghostunnel.client(identity, target, db.mesh.pki.spiffeId(WEB));
    tunnels.push(wrong);
    const refused = db.mesh.track(await FakeClient.connect(wrong.port));
    expect(await refused.ended()).not.toBe('open');
    expect(refused.received).toHaveLength(0);
  });

  test('our identity is accepted by a program of SPIRE that knows our bundle from our endpoint', async () => {
    const app = await new FakeApp().start();
    const identity = { workloadApi: spire.workloadApi };
    const tunnel = await Ghostunnel.server(identity, app.port, db.mesh.pki.spiffeId(WEB));
    tunnels.push(tunnel);
    const fetched = await fetchBundle(endpoint);
    const ask = async (service: { namespace: string; service: string }): Promise<string> => {
      const { certChainPem: cert, keyPem: key } = await db.mesh.pki.svid(service);
      const socket = connect({
        ...{ host: '127.0.0.1', port: tunnel.port, cert, key, ca: fetched.bundle! },
        checkServerIdentity: (_host, { subjectaltname }) =>
          subjectaltname === `URI:${payments}` ? undefined : new Error(subjectaltname),
      });
      socket.write('hello');
      return new Promise((resolve) => {
        socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
        socket.once('error', () => resolve('refused'));
        socket.once('close', () => resolve('refused'));
      }).finally(() => socket.destroy()) as Promise<string>;
    };
    expect(await ask(WEB)).toBe('hello');
    expect(await ask({ ...WEB, service: 'admin' })).toBe('refused');
    await app.stop();
  });

  test('a root that SPIRE adds is fetched with a higher number, and one of ours is fetched by SPIRE', async () => {
    const before = await fetchBundle(endpoint);
    await spire.prepareRoot();
    const after = await untilChanged(before);
    expect(prints(after.bundle!)).toHaveLength(prints(before.bundle!).length + 1);
    expect(after.sequence).toBeGreaterThan(before.sequence!);
    const next = await db.mesh.pki.foreign();
    db.publishRoots(db.mesh.pki, next);
    const known = readSpiffeBundle(await spire.refreshed(db.mesh.pki.trustDomain)).roots.map(String);
    expect(known.sort()).toEqual([db.mesh.pki.rootPem, next.rootPem].sort());
  });

  async function untilChanged(before: FederationStatus): Promise<FederationStatus> {
    for (let tries = 0; tries < 40; tries++) {
      const after = await fetchBundle(endpoint, before);
      if (after.bundle !== before.bundle) return after;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new Error('SPIRE hands out the same bundle still');
  }
});

describeHere(`federation with SPIRE by host names${reason ? ` (skipped: ${reason})` : ''}`, () => {
  test('each fetches the bundle of the other with the profile https_web', async () => {
    const web = await TestPki.create({ trustDomain: 'web.example' });
    const { certChainPem: cert, keyPem: key } = await web.serving(['localhost']);
    const bundle = writeSpiffeBundle(readCertificates(web.rootPem), { sequence: 1, refreshHint: 60 });
    const server = createServer({ cert, key, minVersion: 'TLSv1.3' }, (_request, response) =>
      response.end(bundle),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    let authorities = '';
    const starting = Spire.start({
      federatesWith: [{ trustDomain: 'web.example', url: `https://localhost:${port}/` }],
      profile: (process) => {
        // Whom a Go program trusts about host names.
        authorities = process.file('public.pem', web.rootPem);
        return `profile "https_web" {
          serving_cert_file {
            cert_file_path = "${process.file('serving.pem', cert)}"
            key_file_path = "${process.file('serving.key', key)}"
            file_sync_interval = "1m"
          }
        }`;
      },
      env: () => ({ SSL_CERT_FILE: authorities }),
    });
    try {
      const spire = await starting;
      expect(readSpiffeBundle(await spire.refreshed('web.example')).roots.map(String)).toEqual([web.rootPem]);
      const endpoint: BundleEndpoint = {
        url: spire.bundleUrl,
        profile: 'https_web',
        caCertificate: web.rootPem,
      };
      expect(prints((await fetchBundle(endpoint)).bundle!)).toEqual(prints(await spire.bundle('pem')));
    } finally {
      server.close();
      await (await starting).remove();
    }
  }, 60_000);
});

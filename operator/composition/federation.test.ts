import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';

import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import { eventually } from '#base/testing/eventually.ts';
import type { MeshConfig, MeshConfigSpec } from '#core/model/mesh-config.ts';
import { readCertificates } from '#pki/pem.ts';
import { readSpiffeBundle } from '#pki/spiffe-bundle.ts';

import { startOperator } from './composition.ts';
import type { RunningOperator } from './composition.ts';
import { readConfig } from '../config/config.ts';
import { httpsBundleSource } from '../controllers/federation/bundle-source.ts';

/** Two meshes, each with its operator, of which one fetches the bundle of the other. */

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Mesh {
  readonly operator: RunningOperator;
  readonly config: () => MeshConfig | undefined;
}

async function mesh(spec: MeshConfigSpec, env: Record<string, string> = {}): Promise<Mesh> {
  const fake = await FakeApiServer.started();
  cleanups.push(() => fake.close());
  const config = readConfig({
    MESH_NAMESPACE: 'mesh',
    POD_NAME: 'mesh-operator-0',
    MESH_SIDECAR_IMAGE: 'mesh-sidecar:test',
    MESH_HTTPS_PORT: '0',
    MESH_HTTP_PORT: '0',
    MESH_CONFIG: JSON.stringify(spec),
    ...env,
  });
  const operator = await startOperator({
    ...{ config, api: fake.api, clock: systemClock, log: new FakeLog(), replicas: 'one' },
    webhooks: () => undefined,
    processMetrics: false,
    lingerMs: 0,
  });
  cleanups.push(() => operator.stop());
  return { operator, config: () => fake.find(MESH_CONFIGS, { name: 'mesh' }) };
}

const signal = new AbortController().signal;

test('a mesh fetches the bundle of another by its identity, and neither trusts more than that', async () => {
  const partner = await mesh({ trustDomain: 'partner.example' }, { MESH_BUNDLE_PORT: '0' });
  await eventually(() => partner.config()?.status?.ownBundle !== undefined);
  const bundle = partner.operator.rootsPem();
  const bundleEndpoint = {
    url: `https://127.0.0.1:${partner.operator.bundlePort}/bundle`,
    profile: 'https_spiffe' as const,
    endpointSpiffeId: 'spiffe://partner.example/ns/mesh/dc/dc1/svc/mesh-operator',
    bundle,
  };
  const own = await mesh({ federation: [{ trustDomain: 'partner.example', bundleEndpoint }] });
  const fetched = () => own.config()?.status?.federation?.[0];
  await eventually(() => fetched()?.bundle !== undefined);
  expect(fetched()).toMatchObject({
    trustDomain: 'partner.example',
    bundle,
    sequence: partner.config()?.status?.ownBundle?.sequence,
  });
  expect(own.config()?.status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'FederationReady', status: 'True' }),
  );
  expect(own.config()?.status?.roots?.map(({ pem }) => pem)).not.toContain(bundle);
  // What the webhooks' caBundle and answers to certificate requests are made of.
  expect(own.operator.rootsPem()).not.toContain(bundle);
});

test('the port for others answers with the bundle and nothing else; the inner one has it under its host name', async () => {
  const { operator, config } = await mesh({}, { MESH_BUNDLE_PORT: '0' });
  await eventually(() => config()?.status?.ownBundle !== undefined);
  const fetch = httpsBundleSource(systemClock);
  const roots = readCertificates(operator.rootsPem());
  const spiffe = (path: string) =>
    fetch(
      {
        url: `https://127.0.0.1:${operator.bundlePort}${path}`,
        profile: 'https_spiffe',
        endpointSpiffeId: 'spiffe://cluster.local/ns/mesh/dc/dc1/svc/mesh-operator',
      },
      roots,
      signal,
    );
  expect(readSpiffeBundle(await spiffe('/bundle')).roots.map(String)).toEqual(roots.map(String));
  for (const path of ['/', '/v1/sign', '/inject', '/metrics', '/healthz'])
    await expect(spiffe(path)).rejects.toThrow('it answers with status 404');
  const answer = get({
    ...{ host: '127.0.0.1', port: operator.httpsPort, path: '/bundle' },
    ...{ servername: 'mesh-operator.mesh.svc', ca: operator.rootsPem(), agent: false },
  });
  const [response] = (await once(answer, 'response')) as [IncomingMessage];
  expect(response.headers['content-type']).toContain('application/json');
  expect(readSpiffeBundle(await text(response)).roots.map(String)).toEqual(roots.map(String));
});

test('without the setting no port is opened', async () => {
  const { operator } = await mesh({});
  expect(operator.bundlePort).toBeUndefined();
});

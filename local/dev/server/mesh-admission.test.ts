import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { fakeWebhook } from '#webhook/webhook.fake.ts';

import { Http } from '../../apiserver/contract/http.fake.ts';
import { noJournal } from '../../apiserver/store/journal.ts';
import { startEmbeddedApi } from './embedded-api.ts';
import type { EmbeddedApi } from './embedded-api.ts';
import { meshAdmissions } from './mesh-admission.ts';

/** The webhooks in the API server's way of a write, without HTTPS in between. */
const cluster: Parameters<typeof fakeWebhook>[0] = {};
const reviewers = fakeWebhook(cluster);
let api: EmbeddedApi;
let http: Http;

beforeAll(async () => {
  const options = { journal: noJournal, port: 0, host: '127.0.0.1', clock: systemClock, log: silentLog };
  api = await startEmbeddedApi(options);
  http = new Http(api.admin);
  for (const admission of meshAdmissions(reviewers)) api.admit(admission);
});
afterAll(() => api.stop());
afterEach(() => {
  cluster.ready = true;
  delete cluster.namespaceLabels;
});

const PODS = '/api/v1/namespaces/default/pods';
const pod = (name: string, annotations: object = { 'mesh/inject': 'true' }, spec: object = {}) => ({
  metadata: { name, labels: { app: 'web' }, annotations },
  spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec },
});
const containers = ({
  spec,
}: {
  spec: { containers: { name: string }[]; initContainers?: { name: string }[] };
}) => [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => name);

test('a pod that asks is stored with its sidecar', async () => {
  const { status, body } = await http.post(PODS, pod('asks'));
  expect(status).toBe(201);
  expect(containers(body)).toEqual(['mesh-redirect', 'mesh-sidecar', 'app']);
  expect((await http.get(`${PODS}/asks`)).body).toEqual(body);
});

test('a pod that does not ask is stored as it came', async () => {
  expect(containers((await http.post(PODS, pod('plain', {}))).body)).toEqual(['app']);
});

test('a pod that cannot join is refused in the words of the webhook, and not stored', async () => {
  const { status, body } = await http.post(PODS, pod('host', undefined, { hostNetwork: true }));
  expect({ status, reason: body.reason }).toEqual({ status: 422, reason: 'Invalid' });
  expect(body.message).toMatch(
    /^admission webhook "pods\.inject\.mesh\.dev" denied the request: pod default\/host cannot join the mesh.*hostNetwork/s,
  );
  expect((await http.get(`${PODS}/host`)).status).toBe(404);
});

test('a rehearsal shows the sidecar and keeps nothing', async () => {
  const { body } = await http.post(`${PODS}?dryRun=All`, pod('rehearsed'));
  expect(containers(body)).toContain('mesh-sidecar');
  expect((await http.get(`${PODS}/rehearsed`)).status).toBe(404);
});

test('a pod that is applied gets its sidecar once, however often it is applied', async () => {
  const wanted = { apiVersion: 'v1', kind: 'Pod', ...pod('applied') };
  const first = await http.apply(`${PODS}/applied`, 'somebody', wanted);
  expect(first.status).toBe(201);
  expect(containers(first.body)).toEqual(['mesh-redirect', 'mesh-sidecar', 'app']);
  const again = await http.apply(`${PODS}/applied`, 'somebody', wanted);
  expect(containers(again.body)).toEqual(['mesh-redirect', 'mesh-sidecar', 'app']);
});

test('a pod that exists is left as it is, whatever is written to it', async () => {
  await http.post(PODS, pod('late', {}));
  const { body } = await http.patch(`${PODS}/late`, 'merge', {
    metadata: { annotations: { 'mesh/inject': 'true' } },
  });
  expect(containers(body)).toEqual(['app']);
});

test('what only the mesh writes is refused from anybody else, when a pod is created and when it is changed', async () => {
  const labels = { 'mesh.dev/injected': 'native', 'mesh.dev/service': 'web' };
  const own = pod('own', { 'mesh/inject': 'false' });
  const created = await http.post(PODS, { ...own, metadata: { ...own.metadata, labels } });
  expect(created.status).toBe(422);
  expect(created.body.message).toMatch(
    /^admission webhook "pods\.validate\.mesh\.dev" denied the request: pod default\/own is refused, 2 things to change:\n- metadata\.labels\["mesh\.dev\/injected"\]/,
  );
  await http.post(PODS, pod('changed', {}));
  for (const path of [`${PODS}/changed`, `${PODS}/changed/status`]) {
    const changed = await http.patch(path, 'merge', { metadata: { labels } });
    expect({ path, status: changed.status }).toEqual({ path, status: 422 });
  }
  expect((await http.get(`${PODS}/changed`)).body.metadata.labels).toEqual({ app: 'web' });
  expect((await http.patch(`${PODS}/changed`, 'merge', { metadata: { labels: { app: 'x' } } })).status).toBe(
    200,
  );
});

test('a pod whose namespace asks and that cannot join is stored without a sidecar, marked, with a warning', async () => {
  cluster.namespaceLabels = { 'mesh/inject': 'true' };
  const host = {
    metadata: { name: 'left-out' },
    spec: { hostNetwork: true, containers: [{ name: 'app', image: 'x' }] },
  };
  const { status, body, headers } = await http.post(PODS, host);
  expect([status, body.metadata.labels, containers(body)]).toEqual([
    201,
    { 'mesh.dev/left-out': 'no-service-name' },
    ['app'],
  ]);
  expect(headers.warning).toContain('left out of the mesh, which its namespace asks for');
});

test('until the mesh knows its settings, a pod is told to come again', async () => {
  cluster.ready = false;
  const { status, body } = await http.post(PODS, pod('early'));
  expect({ status, reason: body.reason }).toEqual({ status: 503, reason: 'ServiceUnavailable' });
});

test('what the webhook warns of reaches the client', async () => {
  const named = { name: 'app', image: 'app:1', ports: [{ containerPort: 53, protocol: 'UDP' }] };
  const { status, headers } = await http.post(PODS, pod('warned', undefined, { containers: [named] }));
  expect(status).toBe(201);
  expect(headers.warning).toBe(
    '299 - "container app: 53/UDP is not covered by the mesh, which carries TCP only"',
  );
});

test('an intention that means nothing is refused in the words of the webhook', async () => {
  const { status, body } = await http.post('/apis/mesh.dev/v1alpha1/namespaces/default/intentions', {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'Intention',
    metadata: { name: 'nowhere' },
    spec: { source: { service: 'web' }, destination: { service: 'db', namespace: 'other' }, action: 'allow' },
  });
  expect(status).toBe(422);
  expect(body.message).toMatch(
    /^admission webhook "resources\.validate\.mesh\.dev" denied the request: .*namespace/s,
  );
});

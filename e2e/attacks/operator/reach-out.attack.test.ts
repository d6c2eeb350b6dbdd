import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { MESH_CONFIG_NAME } from '#core/constants.ts';
import { CREDENTIALS_SECRET } from '#core/model/ca-providers.ts';
import { SECRETS } from '#kube/types.ts';
import { secretOf } from '#operator/ca/secret.fake.ts';

import { OperatorUnderAttack } from '../kit/operator-under-attack.ts';

const NAMESPACE = 'mesh-system';
/** Many times what a login takes to begin. */
const WATCH_MS = 3_000;

/** An unauthenticated review must not make the operator connect to an address that it names, not even by who knows the path. */
let operator: OperatorUnderAttack;
let listener: Server;
let connections = 0;
beforeAll(async () => {
  operator = await OperatorUnderAttack.start();
  listener = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined).destroy();
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { api } = operator.cluster;
  api.put(SECRETS, secretOf(NAMESPACE, CREDENTIALS_SECRET.vault, { 'role-id': 'r', 'secret-id': 's' }));
});
afterAll(async () => {
  listener.close();
  await operator.stop();
});

async function post(path: string, spec: object): Promise<{ status: number; body: string }> {
  const object = (own: object): object => ({
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: MESH_CONFIG_NAME },
    spec: own,
  });
  const resource = { group: 'mesh.dev', version: 'v1alpha1', resource: 'meshconfigs' };
  const review = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      ...{ uid: 'e5f1c5c0-0000-4000-8000-000000000001', operation: 'UPDATE', resource },
      ...{ kind: { ...resource, kind: 'MeshConfig' }, name: MESH_CONFIG_NAME },
      ...{ object: object(spec), oldObject: object({ leafTTL: '24h' }) },
    },
  });
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(review) };
    const { webhooks: port } = operator.ports;
    const options = { host: '127.0.0.1', port, path, method: 'POST', headers, rejectUnauthorized: false };
    httpsRequest(options, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    })
      .on('error', reject)
      .end(review);
  });
}

function authorities(): [string, object][] {
  const address = `https://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  const vault = { address, auth: 'approle', intermediatePath: 'pki' };
  return [
    ['Vault', { ca: { provider: 'vault', config: vault } }],
    ['step-ca', { ca: { provider: 'step-ca', config: { address, provisioner: 'mesh' } } }],
    [
      'a rehearsal',
      { ca: { provider: 'vault', config: vault, rotation: { request: 'x', mode: 'rehearse' } } },
    ],
  ];
}

test('a review of a MeshConfig by whoever knows the path makes the operator connect nowhere, and says nothing about the address', async () => {
  for (const [what, spec] of authorities()) {
    const answer = await post(operator.paths.validate, spec);
    await sleep(WATCH_MS / 3);
    expect({ what, connections, status: answer.status }).toEqual({ what, connections: 0, status: 200 });
    expect(answer.body).toContain('"allowed":true');
    expect(answer.body).not.toContain('127.0.0.1');
  }
});

test('the path that earlier versions registered is answered 404, like any other', async () => {
  const [[, spec] = ['', {}]] = authorities();
  const answers = [await post('/validate', spec), await post('/anything', spec)];
  expect(answers).toEqual([
    { status: 404, body: '{"error":"there is nothing here"}' },
    { status: 404, body: '{"error":"there is nothing here"}' },
  ]);
  expect(connections).toBe(0);
});

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '../kit/eventually.ts';
import { apply, applyRefused, exec, getJson, kubectl, tryKubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { podsOf, readyPod } from '../kit/pods.ts';
import { runOk } from '../kit/run.ts';
import { idleClient, namespace, podTemplate, workload } from '../kit/workload.ts';

const NS = 'e2e-impersonation';
const URL = `https://mesh-operator.${MESH_NAMESPACE}.svc:8443/v1/sign`;
const AUDIENCE = 'mesh-ca.cluster.local';
const WEB_ID = `spiffe://cluster.local/ns/${NS}/dc/dc1/svc/web`;
const DB_ID = `spiffe://cluster.local/ns/${NS}/dc/dc1/svc/db`;

interface SignResponse {
  readonly status: number;
  readonly body: string;
}

describe('nobody becomes who they are not', () => {
  let web: PodRef & { readonly uid: string };
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-csr-'));
    await apply(
      namespace(NS),
      ...idleClient({ namespace: NS, name: 'web' }),
      ...workload({
        namespace: NS,
        name: 'db',
        command: ['node', '/toolbox/tcp-server.mjs', '7000'],
        ports: [7000],
      }),
    );
    web = await readyPod(NS, 'web');
    await readyPod(NS, 'db');
  });

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  });

  /** Asks from inside the web pod, so that the source address is the pod's own. */
  async function sign(request: { token?: string; body?: object; text?: string }): Promise<SignResponse> {
    const { stdout, stderr } = await exec(web, ['node', '/toolbox/sign.mjs', URL], {
      input: `${JSON.stringify(request)}\n`,
    });
    try {
      return JSON.parse(stdout) as SignResponse;
    } catch {
      throw new Error(`no answer: ${stdout}${stderr}`);
    }
  }

  const boundToken = (
    pod: { name: string; uid: string } = web,
    account = 'web',
    audience = AUDIENCE,
  ): Promise<string> =>
    kubectl([
      ...['create', 'token', account, '-n', NS, '--audience', audience],
      ...['--bound-object-kind', 'Pod', '--bound-object-name', pod.name, '--bound-object-uid', pod.uid],
    ]).then((text) => text.trim());

  /** A signing request made by openssl, which makes what no polite library would. */
  async function csr({
    uri,
    extensions = [],
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  }: { uri?: string; extensions?: string[]; key?: string[] } = {}): Promise<string> {
    const file = join(folder, 'request.pem');
    const all = [...(uri === undefined ? [] : [`subjectAltName=${uri}`]), ...extensions];
    await runOk([
      'openssl',
      'req',
      '-new',
      ...key,
      '-nodes',
      '-keyout',
      '/dev/null',
      '-subj',
      '/',
      '-out',
      file,
      ...all.flatMap((line) => ['-addext', line]),
    ]);
    return readFileSync(file, 'utf8');
  }

  const operatorReason = (reason: string): Promise<unknown> =>
    eventually(`the operator's log gives the reason ${reason}`, async () => {
      const { stdout } = await tryKubectl([
        'logs',
        '-n',
        MESH_NAMESPACE,
        '-l',
        'app.kubernetes.io/name=mesh-operator',
        '--tail',
        '200',
      ]);
      return stdout.includes(reason) ? true : undefined;
    });

  test('an honest request from the same place is signed, so the refusals below are for their own reasons', async () => {
    const answer = await sign({
      token: await boundToken(),
      body: { csr: await csr({ uri: `URI:${WEB_ID}` }) },
    });
    expect(answer).toMatchObject({ status: 200 });
    expect((JSON.parse(answer.body) as { spiffeId: string }).spiffeId).toBe(WEB_ID);
  });

  test('a pod of ServiceAccount web that calls itself db', async () => {
    expect(
      await sign({ token: await boundToken(), body: { csr: await csr(), service: 'db' } }),
    ).toMatchObject({ status: 403 });
  });

  test('a pod of ServiceAccount web that is annotated as db never gets ready', async () => {
    const pod = podTemplate({
      namespace: NS,
      name: 'imposter',
      command: ['sleep', 'infinity'],
      serviceAccount: 'web',
      annotations: { 'mesh/service': 'db' },
    });
    const { metadata, spec } = pod;
    await apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: 'imposter', namespace: NS },
      spec,
    });
    await operatorReason('service-account-not-allowed');
    const [imposter] = await podsOf(NS, 'imposter');
    expect(imposter?.status.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False');
  });

  test('labels of the mesh that are written by hand are refused, on a new pod and on one that is there', async () => {
    const labels = { 'mesh.dev/injected': 'native', 'mesh.dev/service': 'db' };
    const pod = podTemplate({
      namespace: NS,
      name: 'by-hand',
      command: ['sleep', 'infinity'],
      serviceAccount: 'web',
      meshed: false,
      labels,
      annotations: { 'mesh/inject': 'false' },
    });
    const refusal = await applyRefused({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...pod.metadata, name: 'by-hand', namespace: NS },
      spec: pod.spec,
    });
    expect(refusal).toMatch(/mesh\.dev\/injected.*written by the mesh alone/);
    const change = ['label', 'pod', web.name, '-n', NS, '--overwrite', 'mesh.dev/service=db'];
    expect((await tryKubectl(change)).stderr).toMatch(/written by the mesh alone, and stays as it is/);
  });

  test('a pod that no node runs owns no name: the first workload that runs does', async () => {
    const waiting = podTemplate({
      namespace: NS,
      name: 'waiting',
      command: ['sleep', 'infinity'],
      serviceAccount: 'web',
      annotations: { 'mesh/service': 'late' },
      pod: { nodeSelector: { 'mesh.dev/nowhere': 'x' } },
    });
    await apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...waiting.metadata, name: 'waiting', namespace: NS },
      spec: waiting.spec,
    });
    await apply(...idleClient({ namespace: NS, name: 'late' }));
    await readyPod(NS, 'late');
    const service = await getJson<{ spec: { serviceAccounts: string[] } }>(['meshservice', 'late', '-n', NS]);
    expect(service?.spec.serviceAccounts).toEqual(['late']);
    await eventually('an Event on the pod says that its name is taken', async () => {
      const events = await kubectl([
        'get',
        'events',
        '-n',
        NS,
        '--field-selector',
        'involvedObject.name=waiting',
      ]);
      return events.includes('ServiceNameTaken') ? true : undefined;
    });
  });

  test('the token of a deleted pod', async () => {
    const pod = podTemplate({
      namespace: NS,
      name: 'gone',
      command: ['sleep', 'infinity'],
      serviceAccount: 'web',
    });
    await apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...pod.metadata, name: 'gone', namespace: NS },
      spec: { ...pod.spec, terminationGracePeriodSeconds: 0 },
    });
    const gone = await eventually('the pod exists', async () => (await podsOf(NS, 'gone'))[0]);
    const token = await boundToken({ name: 'gone', uid: gone.metadata.uid });
    await kubectl(['delete', 'pod', 'gone', '-n', NS, '--grace-period=0', '--force']);
    expect(await sign({ token, body: { csr: await csr() } })).toMatchObject({ status: 401 });
  });

  test('a token that is bound to no pod', async () => {
    const token = (await kubectl(['create', 'token', 'web', '-n', NS, '--audience', AUDIENCE])).trim();
    const { status } = await sign({ token, body: { csr: await csr() } });
    expect([401, 403]).toContain(status);
  });

  test('a token of the wrong audience, no token, and a token that is none', async () => {
    expect(
      await sign({
        token: await boundToken(web, 'web', 'https://kubernetes.default.svc'),
        body: { csr: await csr() },
      }),
    ).toMatchObject({ status: 401 });
    expect(await sign({ body: { csr: await csr() } })).toMatchObject({ status: 401 });
    expect(await sign({ token: 'x'.repeat(100), body: { csr: await csr() } })).toMatchObject({ status: 401 });
  });

  test.each([
    ['another name', { uri: `URI:${DB_ID}` }],
    ['a CA flag', { extensions: ['basicConstraints=critical,CA:TRUE'] }],
    ['extra names', { uri: `URI:${WEB_ID},URI:${DB_ID}` }],
    ['a DNS name', { uri: `URI:${WEB_ID},DNS:db` }],
    ['a weak key', { key: ['-newkey', 'rsa:1024'] }],
  ])('a request that asks for %s', async (_what, options) => {
    const answer = await sign({ token: await boundToken(), body: { csr: await csr(options) } });
    expect([400, 403]).toContain(answer.status);
  });

  test('a request with trailing bytes, and one of a megabyte', async () => {
    const token = await boundToken();
    const pem = await csr();
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const longer = Buffer.concat([der, Buffer.from('trailing')]).toString('base64');
    expect(
      await sign({
        token,
        body: { csr: `-----BEGIN CERTIFICATE REQUEST-----\n${longer}\n-----END CERTIFICATE REQUEST-----\n` },
      }),
    ).toMatchObject({ status: 400 });
    expect((await sign({ token, body: { csr: 'A'.repeat(1 << 20) } })).status).toBe(413);
    expect((await sign({ token, text: '{"csr": ' })).status).toBe(400);
    expect(
      (
        await sign({
          token,
          body: {
            csr: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
              type: 'spki',
              format: 'pem',
            }),
          },
        })
      ).status,
    ).toBe(400);
  });

  test('the answers to all of these tell the caller nothing but that it was refused', async () => {
    const { body } = await sign({ token: await boundToken(), body: { csr: await csr(), service: 'db' } });
    expect(body).not.toMatch(/ServiceAccount|TokenReview|serviceAccounts|stack/i);
  });
});

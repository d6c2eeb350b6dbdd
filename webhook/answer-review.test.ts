import fc from 'fast-check';

import { ENDPOINTS, answerReview } from './answer-review.ts';
import type { Endpoint } from './answer-review.ts';
import { patched } from './injection/apply.fake.ts';
import type { JsonPatchOp } from './injection/json-patch.ts';
import { PODS } from './injection/pods.fake.ts';
import { fakeWebhook, review, reviewOf } from './webhook.fake.ts';
import type { FakeWebhook } from './webhook.fake.ts';

interface ReviewResponse {
  readonly error?: string;
  readonly response: {
    readonly allowed: boolean;
    readonly patch?: string;
    readonly patchType?: string;
    readonly warnings?: readonly string[];
    readonly status?: { readonly code: number; readonly message: string };
  };
}

let webhook: FakeWebhook;
const start = (cluster: Parameters<typeof fakeWebhook>[0] = {}, change: Partial<FakeWebhook> = {}): void => {
  webhook = { ...fakeWebhook(cluster), ...change };
};

async function post(endpoint: Endpoint, body: unknown): Promise<{ status: number; json: ReviewResponse }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const { status, json } = await answerReview(endpoint, Buffer.from(text), webhook);
  return { status, json: json as ReviewResponse };
}

describe('inject', () => {
  test('answers with a patch in base64 and the uid of the question', async () => {
    start();
    const { status, json } = await post('inject', review({ object: PODS.deployment }));
    expect(status).toBe(200);
    expect(json).toMatchObject({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'e5f1c5c0-0000-4000-8000-000000000001', allowed: true, patchType: 'JSONPatch' },
    });
    const patch = JSON.parse(Buffer.from(json.response.patch!, 'base64').toString()) as JsonPatchOp[];
    const pod = patched(PODS.deployment, patch) as unknown as {
      spec: { initContainers: { name: string }[] };
    };
    expect(pod.spec.initContainers.map(({ name }) => name)).toEqual(['mesh-redirect', 'mesh-sidecar']);
    expect(webhook.counts).toEqual(['injection injected asked', 'duration inject']);
  });

  test('answers without a patch for a pod that does not ask', async () => {
    start();
    const pod = { ...PODS.deployment, metadata: { name: 'x' } };
    expect((await post('inject', review({ object: pod }))).json.response).toEqual({
      uid: expect.any(String),
      allowed: true,
    });
    expect(webhook.counts).toEqual(['injection unchanged not-asked', 'duration inject']);
  });

  test('injects a pod whose namespace asks, by the cache or by the word of the API server', async () => {
    const pod = { ...PODS.deployment, metadata: { name: 'x', labels: { app: 'web' } } };
    start({ namespaceLabels: { 'mesh/inject': 'true' } });
    expect((await post('inject', review({ object: pod }))).json.response.patchType).toBe('JSONPatch');
    start();
    expect((await post('inject', review({ object: pod }))).json.response.patchType).toBeUndefined();
    expect((await post('inject-by-namespace', review({ object: pod }))).json.response.patchType).toBe(
      'JSONPatch',
    );
  });

  test('refuses with a text for people, and says so in log and metrics', async () => {
    start();
    const pod = { ...PODS.deployment, spec: { ...PODS.deployment.spec, hostNetwork: true } };
    expect((await post('inject', review({ object: pod }))).json.response).toMatchObject({
      allowed: false,
      status: {
        status: 'Failure',
        code: 422,
        reason: 'Invalid',
        message: expect.stringContaining('spec.hostNetwork: the pod shares'),
      },
    });
    expect(webhook.counts).toEqual(['injection refused host-network', 'duration inject']);
    expect(webhook.log.lines).toEqual([
      expect.objectContaining({
        level: 'warn',
        message: 'injection refused',
        fields: expect.objectContaining({ namespace: 'shop', pod: 'web-7c9d8f6b5-', reason: 'host-network' }),
      }),
    ]);
  });

  test('sends warnings that fit into a header', async () => {
    start();
    const loud = PODS.deployment.spec.containers.map((one) => ({
      ...one,
      ports: [{ containerPort: 53, protocol: `UDP\r\nX: ${'ä'.repeat(400)}` }],
    }));
    const { json } = await post(
      'inject',
      review({ object: { ...PODS.deployment, spec: { ...PODS.deployment.spec, containers: loud } } }),
    );
    expect(json.response.warnings?.[0]).toContain('53/UDP X:');
    expect(json.response.warnings?.[0]).toMatch(/^[\x20-\x7e]{1,256}$/);
  });

  test('asks for patience before the mesh knows its settings', async () => {
    start({ ready: false });
    expect((await post('inject', review({ object: PODS.deployment }))).json.response.status).toMatchObject({
      code: 503,
    });
  });

  test.each([
    ['another kind', { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }],
    ['an update', { operation: 'UPDATE' }],
    ['a subresource', { subResource: 'ephemeralcontainers' }],
  ])('lets pass what is none of its business: %s', async (_what, change) => {
    start();
    expect((await post('inject', review({ object: PODS.deployment, ...change }))).json.response).toEqual({
      uid: expect.any(String),
      allowed: true,
    });
  });

  test.each([
    ['no object', null],
    ['no spec', { metadata: {} }],
    ['no containers', { spec: { containers: [] } }],
    ['a container that is none', { spec: { containers: [5] } }],
    ['labels that are none', { metadata: { labels: { a: 1 } }, spec: { containers: [{ name: 'a' }] } }],
  ])('refuses what is not a pod: %s', async (_what, object) => {
    start();
    expect((await post('inject', review({ object }))).json.response).toMatchObject({
      allowed: false,
      status: { code: 400, message: expect.stringContaining('no pod') },
    });
    expect(webhook.counts).toContain('injection error unreadable');
  });
});

describe('validate', () => {
  const good = {
    metadata: { name: 'r', namespace: 'shop' },
    spec: { source: { service: 'web' }, destination: { service: 'db' }, action: 'allow' },
  };

  test('allows, with warnings', async () => {
    start();
    const { json } = await post('validate', reviewOf('intentions', good));
    expect(json.response).toMatchObject({
      allowed: true,
      warnings: [expect.stringContaining('shop/db does not exist yet'), expect.anything()],
    });
    expect(webhook.counts).toEqual(['validation intentions allowed', 'duration validate']);
  });

  test('refuses, with all faults', async () => {
    start();
    const { json } = await post(
      'validate',
      reviewOf('meshconfigs', { metadata: { name: 'x' }, spec: { leafTTL: '1s' } }),
    );
    expect(json.response).toMatchObject({
      allowed: false,
      status: {
        code: 422,
        message: expect.stringMatching(/^MeshConfig shop\/x is refused, 2 things to change:\n/),
      },
    });
    expect(webhook.counts).toEqual(['validation meshconfigs refused', 'duration validate']);
  });

  test('names what belongs to no namespace by its name alone', async () => {
    start();
    const asked = reviewOf('meshconfigs', { metadata: { name: 'x' }, spec: {} });
    const { json } = await post('validate', {
      ...asked,
      request: { ...(asked.request as object), namespace: '' },
    });
    expect(json.response.status?.message).toContain('MeshConfig x is refused: metadata.name');
  });

  test('looks at the old object too', async () => {
    start();
    const old = { metadata: { name: 'mesh' }, spec: { datacenter: 'a' } };
    const { json } = await post(
      'validate',
      reviewOf('meshconfigs', { ...old, spec: { datacenter: 'b' } }, old),
    );
    expect(json.response.status?.message).toContain('cannot change from "a" to "b"');
  });

  test('refuses an object without a name, and an update without its old object', async () => {
    start();
    expect((await post('validate', reviewOf('intentions', { spec: {} }))).json.response).toMatchObject({
      allowed: false,
      status: { code: 400 },
    });
    expect((await post('validate', reviewOf('intentions', good, 'x'))).json.response).toMatchObject({
      allowed: false,
      status: { code: 400 },
    });
  });

  test('lets pass what is none of its business', async () => {
    start();
    expect((await post('validate', reviewOf('others', {}))).json.response.allowed).toBe(true);
    expect((await post('validate', review({ object: PODS.deployment }))).json.response.allowed).toBe(true);
  });
});

describe('whoever posts something else', () => {
  test.each([
    ['no JSON', '{', 400],
    ['nothing', '', 400],
    ['a text', '"x"', 400],
    ['a list', [], 400],
    ['no review', {}, 400],
    ['an old version', { ...review({}), apiVersion: 'admission.k8s.io/v1beta1' }, 400],
    ['no uid', review({ uid: '' }), 400],
    ['a long uid', review({ uid: 'x'.repeat(129) }), 400],
    ['no operation', review({ operation: 'PATCH' }), 400],
    ['too many values', `[${'[],'.repeat(400_000)}1]`, 413],
    ['too deep', `${'['.repeat(100)}${']'.repeat(100)}`, 413],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1'), 400],
  ])('is told: %s', async (_what, body, status) => {
    start();
    for (const path of ENDPOINTS) {
      const answer = await post(path, body);
      expect(answer.status).toBe(status);
      expect(answer.json).toEqual({ error: expect.any(String) });
    }
  });

  test('never brings it down', async () => {
    start();
    const wild = fc.oneof(
      fc.json(),
      fc
        .tuple(fc.jsonValue(), fc.jsonValue())
        .map(([object, oldObject]) => JSON.stringify(review({ object, oldObject }))),
      fc
        .tuple(fc.jsonValue(), fc.jsonValue(), fc.constantFrom('intentions', 'meshservices', 'meshconfigs'))
        .map(([spec, old, plural]) =>
          JSON.stringify(
            reviewOf(plural, { metadata: { name: 'x' }, spec }, { metadata: { name: 'x' }, spec: old }),
          ),
        ),
    );
    await fc.assert(
      fc.asyncProperty(wild, fc.constantFrom('inject', 'validate'), async (body, path) => {
        const { status } = await post(path, body);
        expect([200, 400]).toContain(status);
      }),
      { numRuns: 200 },
    );
    expect(webhook.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  }, 60_000);
});

test('a fault of ours lets nothing in', async () => {
  start(
    {},
    {
      injection: () => {
        throw new Error('broken');
      },
    },
  );
  expect((await post('inject', review({ object: PODS.deployment }))).json.response).toMatchObject({
    allowed: false,
    status: { code: 500 },
  });
  expect(webhook.counts).toContain('injection error internal');
  expect(webhook.log.lines.some(({ message }) => message === 'admission failed')).toBe(true);
});

import { reviewPod } from '../review-pod.ts';
import { fakeWebhook, review } from '../webhook.fake.ts';
import { readAdmissionReview } from '../admission.ts';
import { CountedReads } from './counted-reads.fake.ts';
import { injectionContext } from './context.fake.ts';
import { inject } from './inject.ts';
import type { Pod } from './pod.ts';
import { POD_LIMITS, sizeRefusals } from './pod-size.ts';

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const container = (index: number) => ({
  name: `c${index}`,
  ports: [{ name: `p${index}`, containerPort: 10_000 + index }],
  readinessProbe: { httpGet: { path: '/', port: `p${index}`, httpHeaders: [{ name: 'A', value: 'b' }] } },
  lifecycle: { preStop: { httpGet: { path: '/', port: 80 } } },
});
const metadata = { name: 'web', annotations: { 'mesh/inject': 'true', 'mesh/service': 'web' } };

async function answerTo(pod: unknown) {
  const webhook = fakeWebhook();
  const read = readAdmissionReview(review({ object: pod }));
  if (!('request' in read)) throw new Error(read.fault);
  return { verdict: await reviewPod(read.request, webhook), counts: webhook.counts };
}

describe('a pod that is larger than any real one', () => {
  const spec = { containers: [container(0)] };
  test.each<[string, object, string]>([
    ['containers', { ...spec, containers: many(129, container) }, 'spec.containers: has 129 entries'],
    [
      '4,000 containers',
      { ...spec, containers: many(4_000, container) },
      'spec.containers: has 4000 entries',
    ],
    ['init containers', { ...spec, initContainers: many(129, container) }, 'spec.initContainers: has 129'],
    [
      'ephemeral containers',
      { ...spec, ephemeralContainers: many(65, container) },
      'spec.ephemeralContainers',
    ],
    ['volumes', { ...spec, volumes: many(513, (i) => ({ name: `v${i}` })) }, 'spec.volumes: has 513'],
    [
      'ports of one container',
      { containers: [{ name: 'a', ports: many(1_025, (i) => ({ containerPort: i + 1 })) }] },
      'ports of all containers: has 1025',
    ],
    [
      'ports of all containers together',
      {
        containers: many(33, (i) => ({ name: `c${i}`, ports: many(32, (p) => ({ containerPort: p + 1 })) })),
      },
      'ports of all containers: has 1056',
    ],
    [
      'mounts',
      { containers: [{ name: 'a', volumeMounts: many(4_097, (i) => ({ name: 'v', mountPath: `/${i}` })) }] },
      'volumeMounts of all containers: has 4097',
    ],
    [
      'headers of a hook',
      {
        containers: [
          {
            name: 'a',
            lifecycle: { postStart: { httpGet: { port: 80, httpHeaders: many(65, () => ({ name: 'A' })) } } },
          },
        ],
      },
      'httpHeaders of a probe or hook: has 65',
    ],
  ])('is refused with the number and what to do: %s', async (_what, large, sentence) => {
    const { verdict, counts } = await answerTo({ metadata, spec: large });
    expect(verdict).toMatchObject({ allowed: false, code: 422, message: expect.stringContaining(sentence) });
    expect(counts).toEqual(['injection refused too-large']);
  });

  test('is refused for its labels and annotations', async () => {
    const map = Object.fromEntries(many(POD_LIMITS.keys + 1, (i) => [`k${i}`, 'v']));
    expect(sizeRefusals({ metadata: { labels: map }, spec }).map(({ field }) => field)).toEqual([
      'metadata.labels',
    ]);
    expect(sizeRefusals({ metadata: { annotations: map } })).toHaveLength(1);
  });

  test('is left alone when it does not ask for the mesh', async () => {
    const { verdict } = await answerTo({
      metadata: { name: 'big' },
      spec: { containers: many(4_000, container) },
    });
    expect(verdict).toEqual({ allowed: true });
  });

  test('joins up to the limits', async () => {
    const spec = {
      containers: many(POD_LIMITS.containers, container),
      initContainers: many(POD_LIMITS.initContainers, (i) => ({ name: `i${i}` })),
      volumes: many(POD_LIMITS.volumes, (i) => ({ name: `v${i}` })),
    };
    expect((await answerTo({ metadata, spec })).verdict).toMatchObject({
      allowed: true,
      patch: expect.anything(),
    });
  });

  test.each([
    undefined,
    null,
    'x',
    [],
    { spec: 'x' },
    { spec: { containers: { length: 1e9 } }, metadata: 5 },
  ])('is not found in what is not a pod: %j', (value) => {
    expect(sizeRefusals(value)).toEqual([]);
  });
});

test('the work of injection grows no faster than the pod: eight times the containers, at most nine times the reads', () => {
  const reads = (size: number): number => {
    const counted = new CountedReads();
    const upstreams = many(8, (i) => `s${i}:${20_100 + i}`).join(',');
    const pod = {
      metadata: { ...metadata, annotations: { ...metadata.annotations, 'mesh/upstreams': upstreams } },
      spec: { containers: many(size, container), volumes: many(size, (i) => ({ name: `v${i}` })) },
    };
    expect(inject(counted.of(pod) as Pod, injectionContext())).toHaveProperty('patch');
    return counted.count;
  };
  expect(reads(512)).toBeLessThan(reads(64) * 9);
});

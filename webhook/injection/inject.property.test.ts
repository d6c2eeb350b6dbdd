import fc from 'fast-check';

import { injectRaw, patched } from './apply.fake.ts';
import { injectionContext } from './context.fake.ts';
import { inject } from './inject.ts';
import { podSchema } from './pod.ts';

interface RawPod {
  metadata: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: { containers: object[]; initContainers?: object[]; volumes?: object[]; hostNetwork?: boolean };
}

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,12}[a-z0-9])?$/);
const port = fc.oneof(fc.integer({ min: 1, max: 65535 }), label, fc.constant('http'));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
const texts = fc.dictionary(fc.oneof(label, fc.string({ maxLength: 12 })), fc.string({ maxLength: 20 }), {
  maxKeys: 3,
});

const probe = fc
  .tuple(
    fc.oneof(
      fc.record({
        httpGet: fc.record(
          {
            port,
            path: fc.string(),
            scheme: fc.constantFrom('HTTP', 'HTTPS'),
            host: fc.constantFrom('', 'example.org'),
          },
          { requiredKeys: ['port'] },
        ),
      }),
      fc.record({ tcpSocket: fc.record({ port }) }),
      fc.record({ grpc: fc.record({ port: fc.integer({ min: 1, max: 65535 }) }) }),
      fc.record({ exec: fc.record({ command: fc.array(fc.string()) }) }),
    ),
    fc.record(
      { timeoutSeconds: fc.integer({ min: 1, max: 100 }), periodSeconds: fc.integer({ min: 1, max: 100 }) },
      { requiredKeys: [] },
    ),
  )
  .map(([action, timing]) => ({ ...action, ...timing }));

const container = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.string(),
      command: fc.array(fc.string(), { maxLength: 2 }),
      env: fc.array(fc.record({ name: label, value: fc.string() }), { maxLength: 2 }),
      ports: fc.array(
        fc.record(
          {
            name: fc.constantFrom('http', 'pg', 'm'),
            containerPort: fc.integer({ min: 1, max: 14000 }),
            protocol: fc.constantFrom('TCP', 'UDP'),
          },
          { requiredKeys: ['containerPort'] },
        ),
        { maxLength: 3 },
      ),
      livenessProbe: maybe(probe),
      readinessProbe: maybe(probe),
      startupProbe: maybe(probe),
      lifecycle: maybe(fc.record({ preStop: probe, postStart: probe }, { requiredKeys: [] })),
      securityContext: maybe(
        fc.record({ runAsUser: fc.integer({ min: 0, max: 10000 }), privileged: fc.boolean() }),
      ),
      volumeMounts: fc.array(fc.record({ name: label, mountPath: fc.string() }), { maxLength: 2 }),
    },
    { requiredKeys: ['name'] },
  );

const containers = (prefix: string, minLength: number) =>
  fc
    .integer({ min: minLength, max: 3 })
    .chain((count) =>
      fc.tuple(...Array.from({ length: count }, (_, index) => container(`${prefix}-${index}`))),
    );

const pod = fc
  .record({
    labels: maybe(texts),
    annotations: maybe(texts),
    containers: containers('app', 1),
    initContainers: maybe(containers('init', 0)),
    volumes: maybe(fc.array(fc.record({ name: label }), { maxLength: 2 })),
    wish: fc.constantFrom('true', 'true', 'true', 'false', undefined),
    style: fc.constantFrom('native' as const, 'ordinary' as const),
  })
  .map(({ labels, annotations, wish, style, ...spec }) => ({
    style,
    wish,
    pod: JSON.parse(
      JSON.stringify({
        metadata: {
          labels,
          annotations:
            wish === undefined && !annotations
              ? undefined
              : { ...annotations, ...(wish ? { 'mesh/inject': wish, 'mesh/service': 'web' } : {}) },
        },
        spec,
      }),
    ) as RawPod,
  }))
  .filter(
    ({ pod: { metadata } }) =>
      Object.keys(metadata.annotations ?? {}).filter((key) => key.startsWith('mesh/')).length <= 2,
  );

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'];
const withoutProbes = (list: object[] | undefined) =>
  (list ?? [])
    .map((one) => Object.fromEntries(Object.entries(one).filter(([key]) => !PROBES.includes(key))))
    .filter(({ name }) => !String(name).startsWith('mesh-'));

describe('any pod', () => {
  test('that asks is injected once, keeps all but its probes, and is left alone afterwards', () => {
    fc.assert(
      fc.property(pod, ({ pod: before, wish, style }) => {
        const context = injectionContext({ style });
        const outcome = injectRaw(before, context);
        if (wish !== 'true') {
          expect(outcome).toHaveProperty('unchanged');
          return;
        }
        if (!('patch' in outcome)) throw new Error(JSON.stringify(outcome));
        const after = patched(before, outcome.patch);
        expect(withoutProbes(after.spec.containers)).toEqual(withoutProbes(before.spec.containers));
        expect(withoutProbes(after.spec.initContainers)).toEqual(withoutProbes(before.spec.initContainers));
        expect(after.spec.volumes?.slice(0, -2)).toEqual(before.spec.volumes ?? []);
        expect(after.metadata.labels).toMatchObject(before.metadata.labels ?? {});
        expect(after.metadata.annotations).toMatchObject(before.metadata.annotations ?? {});
        expect(Object.keys(after.spec).sort()).toEqual(
          [...new Set([...Object.keys(before.spec), 'initContainers', 'volumes'])].sort(),
        );
        expect(injectRaw(after, context)).toHaveProperty('unchanged');
      }),
      { numRuns: 500 },
    );
  });

  test('that does not ask is not touched, whatever else it says', () => {
    fc.assert(
      fc.property(pod, fc.boolean(), ({ pod: before }, no) => {
        delete before.metadata.annotations?.['mesh/inject'];
        if (no) before.metadata.labels = { ...before.metadata.labels, 'mesh/inject': 'false' };
        before.spec.hostNetwork = true;
        expect(injectRaw(before, injectionContext())).toHaveProperty('unchanged');
      }),
    );
  });

  test('is read or refused, and never makes injection fail, however wild it is', () => {
    const wild = fc.oneof(
      fc.anything(),
      fc.record({
        metadata: fc.anything(),
        spec: fc.oneof(fc.anything(), fc.record({ containers: fc.array(fc.anything()) })),
      }),
      pod.chain(({ pod: one }) =>
        fc
          .tuple(
            fc.constant(one),
            fc.anything(),
            fc.constantFrom('containers', 'initContainers', 'volumes', 'resources', 'os', 'nodeSelector'),
          )
          .map(([base, value, key]) => ({ ...base, spec: { ...base.spec, [key]: value } })),
      ),
    );
    fc.assert(
      fc.property(wild, (value) => {
        const parsed = podSchema.safeParse(value);
        if (parsed.success)
          inject(parsed.data, injectionContext({ namespaceLabels: { 'mesh/inject': 'true' } }));
      }),
      { numRuns: 1000 },
    );
  });
});

import { injected } from '../injection/apply.fake.ts';
import { injectionContext } from '../injection/context.fake.ts';
import { PODS } from '../injection/pods.fake.ts';
import { podWriteFaults } from './pod-write.ts';
import type { PodWrite } from './pod-write.ts';

/** What whoever may write pods in a namespace writes by hand, to be taken for a member of the mesh. */

const NOW = Date.UTC(2026, 5, 1);
const RULES = { now: NOW, outside: false, meshNamespace: 'mesh', excludedNamespaces: ['build'] };
const faults = (write: Partial<PodWrite>, rules: Partial<typeof RULES> = {}) =>
  podWriteFaults(
    { operation: 'CREATE', namespace: 'shop', subResource: undefined, old: undefined, object: {}, ...write },
    { ...RULES, ...rules },
  ).map(({ field, message }) => `${field}: ${message}`);

const plain = (labels: object, annotations: object = {}, spec: object = {}) => ({
  metadata: { name: 'p', labels, annotations },
  spec: { serviceAccountName: 'web', containers: [{ name: 'app' }], ...spec },
});
const meshed = (style: 'native' | 'ordinary' = 'native', pod: unknown = PODS.deployment) =>
  injected(pod, injectionContext({ style })).pod;
const registration = (change: object = {}, metadata: object = {}) => ({
  metadata: {
    name: 'billing-1',
    labels: { 'mesh.dev/service': 'billing', 'mesh.dev/injected': 'native', 'mesh.dev/run': 'true' },
    annotations: { 'mesh/inject': 'false' },
    ...metadata,
  },
  spec: {
    serviceAccountName: 'billing',
    schedulerName: 'mesh-run',
    containers: [{ name: 'billing', image: 'x' }],
    ...change,
  },
});

describe('a pod is created', () => {
  test.each(['native', 'ordinary'] as const)('as injection makes it, %s: nothing is wrong', (style) => {
    for (const pod of Object.values(PODS)) expect(faults({ object: meshed(style, pod) })).toEqual([]);
  });

  test('without anything of the mesh: nothing is wrong', () => {
    expect(faults({ object: plain({ app: 'web' }, { 'mesh/inject': 'true' }) })).toEqual([]);
    expect(faults({ object: { metadata: null, spec: {} } })).toEqual([]);
  });

  test.each<[string, object]>([
    ['the label of injected pods', plain({ 'mesh.dev/injected': 'native' })],
    ['both labels', plain({ 'mesh.dev/injected': 'native', 'mesh.dev/service': 'web' })],
    ['the service alone', plain({ 'mesh.dev/service': 'web' })],
    [
      'the labels, and that it is not to be injected',
      plain({ 'mesh.dev/injected': 'native', 'mesh.dev/service': 'web' }, { 'mesh/inject': 'false' }),
    ],
    ['a label that the mesh does not know', plain({ 'mesh.dev/trusted': 'yes' })],
    ['an annotation', plain({}, { 'mesh.dev/injected': 'native' })],
    ['a made-up reason to be left out', plain({ 'mesh.dev/left-out': 'because' })],
    ['a reason to be left out that is not so', plain({ 'mesh.dev/left-out': 'host-network' })],
    [
      'a reason to be left out, on a pod that would be refused',
      plain({ 'mesh.dev/left-out': 'host-network' }, { 'mesh/inject': 'true' }, { hostNetwork: true }),
    ],
  ])('with %s written by hand: refused', (_what, object) => {
    const [fault] = faults({ object });
    expect(fault).toMatch(
      /^metadata\.(labels|annotations)\["mesh\.dev\/[a-z-]+"\]: .*written by the mesh alone.*; remove it/,
    );
  });

  test.each<[string, (pod: ReturnType<typeof meshed>) => void]>([
    [
      'another service than its sidecar',
      ({ metadata }) => void (metadata.labels!['mesh.dev/service'] = 'db'),
    ],
    [
      'another style than its sidecar',
      ({ metadata }) => void (metadata.labels!['mesh.dev/injected'] = 'ordinary'),
    ],
    [
      'a sidecar for another service than it is named by',
      ({ spec }) => void (spec.serviceAccountName = 'db'),
    ],
    [
      'a sidecar of another user',
      ({ spec }) => void (spec.initContainers![1]!.securityContext!.runAsUser = 0),
    ],
    [
      'that it is not to be injected',
      ({ metadata }) => void (metadata.annotations!['mesh/inject'] = 'false'),
    ],
    ['one more label of ours', ({ metadata }) => void (metadata.labels!['mesh.dev/x'] = 'y')],
  ])('with a sidecar, and %s: refused', (_what, bend) => {
    const pod = JSON.parse(JSON.stringify(meshed())) as ReturnType<typeof meshed>;
    bend(pod);
    expect(faults({ object: pod })).not.toEqual([]);
  });

  test('as injection makes it where nothing is ever injected: refused', () => {
    for (const namespace of ['kube-system', 'mesh', 'build'])
      expect(faults({ object: meshed(), namespace })[0]).toContain('namespace ' + namespace + ' is excluded');
  });

  test('left out by injection: nothing is wrong', () => {
    expect(
      faults({ object: plain({ 'mesh.dev/left-out': 'host-network' }, {}, { hostNetwork: true }) }),
    ).toEqual([]);
  });

  test('marked as left out although it has a sidecar: refused', () => {
    const pod = meshed();
    const labels = { ...pod.metadata.labels, 'mesh.dev/left-out': 'host-network' };
    expect(faults({ object: { ...pod, metadata: { ...pod.metadata, labels } } })).not.toEqual([]);
  });
});

describe('a process outside of pods is registered', () => {
  test('where it may join: nothing is wrong', () => {
    expect(faults({ object: registration() }, { outside: true })).toEqual([]);
  });

  test.each<[string, object, boolean, string]>([
    ['where none may join', registration(), false, 'may not join this mesh'],
    ['on a node', registration({ nodeName: 'n1' }), true, 'mesh run'],
    ['for a scheduler that is there', registration({ schedulerName: 'default-scheduler' }), true, 'mesh run'],
    ['in the network of a node', registration({ hostNetwork: true }), true, 'mesh run'],
    [
      'as another ServiceAccount than its service',
      registration({ serviceAccountName: 'db' }),
      true,
      'ServiceAccount',
    ],
    [
      'with one more label of ours',
      registration({}, { labels: { ...registration().metadata.labels, 'mesh.dev/x': 'y' } }),
      true,
      'mesh.dev/x',
    ],
  ])('%s: refused', (_what, object, outside, text) => {
    expect(faults({ object }, { outside }).join('\n')).toContain(text);
  });
});

describe.each([undefined, 'status'])('a pod is changed (subresource %s)', (subResource) => {
  const change = (before: object, after: object) =>
    faults({ operation: 'UPDATE', subResource, old: before, object: after });
  const withLabels = (labels: object, annotations: object = {}) => plain(labels, annotations);
  const own = { app: 'web', 'mesh.dev/injected': 'native', 'mesh.dev/service': 'web' };

  test.each<[string, object, object]>([
    ['a label of ours is added', withLabels({ app: 'web' }), withLabels(own)],
    ['one is changed', withLabels(own), withLabels({ ...own, 'mesh.dev/service': 'db' })],
    ['one is taken away', withLabels(own), withLabels({ app: 'web' })],
    [
      'the label of processes outside is added',
      withLabels(own),
      withLabels({ ...own, 'mesh.dev/run': 'true' }),
    ],
    ['an annotation of ours is added', withLabels(own), withLabels(own, { 'mesh.dev/x': 'y' })],
    ['all labels are taken away', withLabels(own), { metadata: {} }],
  ])('%s: refused', (_what, before, after) => {
    expect(change(before, after)[0]).toMatch(/written by the mesh alone, and stays as it is/);
  });

  test('anything else: nothing is wrong, not even where an earlier version let something pass', () => {
    expect(
      change(withLabels(own), withLabels({ ...own, app: 'x' }, { 'mesh/sidecar-port': '4001' })),
    ).toEqual([]);
    const odd = { 'mesh.dev/odd': 'x' };
    expect(change(withLabels(odd), withLabels({ ...odd, app: 'x' }))).toEqual([]);
  });
});

describe('a container for debugging is put into a pod', () => {
  const debug = (container: object, before: object = meshed()) => {
    const { spec, ...pod } = before as ReturnType<typeof meshed>;
    const object = { ...pod, spec: { ...spec, ephemeralContainers: [{ name: 'debugger', ...container }] } };
    return faults({ operation: 'UPDATE', subResource: 'ephemeralcontainers', old: before, object });
  };

  test.each<[string, object, string]>([
    [
      "as the sidecar's user",
      { securityContext: { runAsUser: 15777 } },
      'securityContext.runAsUser: user 15777',
    ],
    [
      "with the sidecar's token",
      { volumeMounts: [{ name: 'mesh-ca-token', mountPath: '/x' }] },
      'volumeMounts[0].name: "mesh-ca-token"',
    ],
    [
      "with the sidecar's other token",
      { volumeMounts: [{ name: 'mesh-kube-token', mountPath: '/x' }] },
      '"mesh-kube-token"',
    ],
  ])('%s: refused', (_what, container, text) => {
    expect(debug(container)[0]).toContain(`spec.ephemeralContainers[0].`);
    expect(debug(container)[0]).toContain(text);
  });

  test('any other: nothing is wrong, nor with one that is there already', () => {
    expect(debug({ image: 'busybox', targetContainerName: 'mesh-sidecar' })).toEqual([]);
    const there = { name: 'debugger', securityContext: { runAsUser: 15777 } };
    const pod = meshed();
    const before = { ...pod, spec: { ...pod.spec, ephemeralContainers: [there] } };
    expect(debug(there, before)).toEqual([]);
  });

  test('of a pod that is not in the mesh: nothing is wrong', () => {
    expect(debug({ securityContext: { runAsUser: 15777 } }, plain({}))).toEqual([]);
  });
});

import type { V1Pod } from '@kubernetes/client-node';

import fc from 'fast-check';

import { injected, injectRaw, patched } from './apply.fake.ts';
import { injectionContext } from './context.fake.ts';
import type { SidecarStyle } from './context.ts';
import { PODS } from './pods.fake.ts';

/**
 * The API server asks again when another webhook changed the pod after us (reinvocation), and people copy meshed pods. What such a pod says
 * about itself is not taken for granted: our parts are made again from the rest of it.
 */

type Raw = V1Pod & { metadata: object; spec: NonNullable<V1Pod['spec']> };
const STYLES: readonly SidecarStyle[] = ['native', 'ordinary'];
const contextOf = (style: SidecarStyle, nonce = 'again') => injectionContext({ style, nonce });
const once = (style: SidecarStyle, pod: unknown = PODS.statefulSet): Raw =>
  JSON.parse(JSON.stringify(injected(pod, contextOf(style, 'first')).pod)) as Raw;
const sidecarOf = (pod: Raw) =>
  [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(({ name }) => name === 'mesh-sidecar')!;
const envOf = (pod: Raw, name: string) => sidecarOf(pod).env?.find((one) => one.name === name)?.value;

describe.each(STYLES)('a pod that carries our parts, %s style', (style) => {
  const again = (pod: Raw) => injectRaw(pod, contextOf(style));
  const change = (bend: (pod: Raw) => void, pod: Raw = once(style)): Raw => {
    bend(pod);
    return pod;
  };
  const madeAgain = (pod: Raw): Raw => {
    const outcome = again(pod);
    if (!('service' in outcome)) throw new Error(JSON.stringify(outcome));
    return patched(pod, outcome.patch);
  };

  test('gets the probes of a container that was added behind us rewritten, and its own stay', () => {
    const probe = { httpGet: { path: '/ready', port: 9000 } };
    const late = { name: 'late', image: 'late:1', readinessProbe: probe };
    const pod = madeAgain(change(({ spec }) => void spec.containers.push(late)));
    const probes = JSON.parse(envOf(pod, 'MESH_PROBES') ?? '') as Record<string, unknown>;
    expect(pod.spec.containers.find(({ name }) => name === 'late')?.readinessProbe?.httpGet).toEqual({
      path: expect.stringMatching(/^\/probe\/late\/readiness-[0-9a-f]{32}$/) as string,
      port: 15020,
      scheme: 'HTTP',
    });
    const key = Object.keys(probes).find((name) => name.startsWith('late/readiness-')) ?? '';
    expect(probes[key]).toMatchObject({ httpGet: { path: '/ready', port: 9000 } });
    expect(Object.keys(probes)).toHaveLength(
      Object.keys(JSON.parse(envOf(once(style), 'MESH_PROBES') ?? '') as object).length + 1,
    );
    expect(again(pod)).toHaveProperty('unchanged');
  });

  test.each<[string, (pod: Raw) => void]>([
    ['another command', (pod) => (sidecarOf(pod).command = ['sh'])],
    ['other arguments', (pod) => (sidecarOf(pod).args = ['-e', 'evil()'])],
    ['variables from elsewhere', (pod) => (sidecarOf(pod).envFrom = [{ secretRef: { name: 'x' } }])],
    [
      'one more variable',
      (pod) => void sidecarOf(pod).env!.push({ name: 'NODE_OPTIONS', value: '--inspect' }),
    ],
    ['more rights', (pod) => (sidecarOf(pod).securityContext!.privileged = true)],
    [
      'another service',
      (pod) => (sidecarOf(pod).env!.find(({ name }) => name === 'MESH_SERVICE')!.value = 'x'),
    ],
    [
      'no redirection',
      (pod) =>
        (pod.spec.initContainers = (pod.spec.initContainers ?? []).filter(
          ({ name }) => name !== 'mesh-redirect',
        )),
    ],
    ['other labels', (pod) => (pod.metadata.labels = { ...pod.metadata.labels, 'mesh.dev/service': 'x' })],
    [
      'a token for others',
      (pod) => (pod.spec.volumes!.find(({ name }) => name === 'mesh-kube-token')!.projected!.sources = []),
    ],
  ])('with %s is made as we make it', (_what, bend) => {
    expect(madeAgain(change(bend))).toEqual(once(style));
  });

  test('keeps what others set by right: a mirrored image, its pull policy, limits of a LimitRange', () => {
    const mirrored = change((pod) => {
      const sidecar = sidecarOf(pod);
      sidecar.image = 'mirror.example/mesh-sidecar:0.1.0';
      sidecar.imagePullPolicy = 'Always';
      sidecar.resources = {
        ...sidecar.resources,
        limits: { ...sidecar.resources?.limits, 'ephemeral-storage': '1Gi' },
      };
    });
    expect(again(mirrored)).toHaveProperty('unchanged');
    mirrored.spec.containers.push({
      name: 'late',
      image: 'late:1',
      livenessProbe: { tcpSocket: { port: 1 } },
    });
    expect(sidecarOf(madeAgain(mirrored))).toMatchObject({
      image: 'mirror.example/mesh-sidecar:0.1.0',
      imagePullPolicy: 'Always',
      resources: { limits: { 'ephemeral-storage': '1Gi', memory: '512Mi' } },
    });
  });

  test('and what a server fills in, or puts behind ours, is no change', () => {
    const filled = change((pod) => {
      Object.assign(sidecarOf(pod), { terminationMessagePath: '/dev/termination-log' });
      pod.spec.volumes!.push({ name: 'theirs', emptyDir: {} });
      pod.spec.containers.push({ name: 'late', image: 'late:1' });
    });
    expect(again(filled)).toHaveProperty('unchanged');
  });

  test.each<[string, (pod: Raw) => void, string]>([
    [
      'whose user is ours',
      ({ spec }) => void spec.containers.push({ name: 'late', securityContext: { runAsUser: 15777 } }),
      'securityContext.runAsUser',
    ],
    [
      'that mounts our token',
      ({ spec }) =>
        void spec.containers.push({
          name: 'late',
          volumeMounts: [{ name: 'mesh-ca-token', mountPath: '/x' }],
        }),
      '"mesh-ca-token" is the volume of the sidecar',
    ],
  ])('is refused with a container that was added behind us %s', (_what, bend, text) => {
    const outcome = again(change(bend));
    expect('refused' in outcome ? outcome.refused : JSON.stringify(outcome)).toContain(text);
  });

  test('is refused then too where only its namespace asks: it is not left out with our parts in it', () => {
    const asking = injectionContext({ style, namespaceLabels: { 'mesh/inject': 'true' } });
    const silent = {
      metadata: { name: 'p' },
      spec: { serviceAccountName: 'web', containers: [{ name: 'app' }] },
    };
    const pod = JSON.parse(JSON.stringify(injected(silent, asking).pod)) as Raw;
    pod.spec.containers.push({ name: 'late', securityContext: { runAsUser: 15777 } });
    expect(injectRaw(pod, asking)).toHaveProperty('refused');
  });

  test('is refused where a probe leads to the sidecar and nothing says what it asked before', () => {
    const forged = change(
      (pod) => (sidecarOf(pod).env!.find(({ name }) => name === 'MESH_PROBES')!.value = '{'),
    );
    expect(again(forged)).toHaveProperty('refused');
  });
});

test('no value in the environment of the sidecar makes injection fail', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.json().map((text) => `{"postgres/liveness":${text}}`),
      ),
      (probes) => {
        const pod = once('native');
        sidecarOf(pod).env!.find(({ name }) => name === 'MESH_PROBES')!.value = probes;
        pod.spec.containers[0]!.livenessProbe = {
          httpGet: { path: '/probe/postgres/liveness', port: 15020 },
        };
        const outcome = injectRaw(pod, contextOf('native'));
        expect('refused' in outcome || 'service' in outcome).toBe(true);
      },
    ),
  );
});

test('containers that only have our names are not replaced: the pod is refused with a sentence', () => {
  const pod = {
    metadata: { name: 'p', annotations: { 'mesh/inject': 'true', 'mesh/status': '{}' } },
    spec: {
      serviceAccountName: 'web',
      containers: [{ name: 'app' }, { name: 'mesh-sidecar', image: 'mine' }],
    },
  };
  expect(injectRaw(pod, injectionContext())).toMatchObject({
    refused: expect.stringContaining('spec.containers[1].name'),
  });
});

test('a pod that is nothing but a sidecar is refused', () => {
  const pod = once('ordinary', PODS.bare);
  pod.spec.containers = pod.spec.containers.filter(({ name }) => name === 'mesh-sidecar');
  expect(injectRaw(pod, contextOf('ordinary'))).toHaveProperty('refused');
});

import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { readFileSync, writeFileSync } from 'node:fs';

import { injected, injectRaw, patched } from './apply.fake.ts';
import { injectionContext } from './context.fake.ts';
import type { SidecarDefaults, SidecarStyle } from './context.ts';
import { PODS } from './pods.fake.ts';

const STYLES: readonly SidecarStyle[] = ['native', 'ordinary'];
const cases = Object.keys(PODS).flatMap((name) =>
  STYLES.map((style) => [name as keyof typeof PODS, style] as const),
);

/** `UPDATE_GOLDEN=1` writes the files again; look at the difference before you commit it. A missing file is a failure. */
function golden(name: string, actual: unknown): unknown {
  const file = new URL(`./golden/${name}.json`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === '1') {
    writeFileSync(file, `${JSON.stringify(actual, null, 2)}\n`);
  }
  return JSON.parse(readFileSync(file, 'utf8'));
}

describe.each(cases)('the pod of %s, %s style', (name, style) => {
  const pod = PODS[name];
  const context = injectionContext({ style });
  const outcome = injectRaw(pod, context);

  test('gets the patch in its golden file', () => {
    expect(outcome).toEqual(golden(`${name}-${style}`, outcome));
  });

  test('is patched to what its golden file says, and by nothing else', () => {
    const { patch } = golden(`${name}-${style}`, outcome) as { patch: [] };
    expect(patched(pod, patch)).toEqual(injected(pod, context).pod);
  });

  test('comes back unchanged a second time', () => {
    const once = injected(pod, context).pod;
    expect(injectRaw(once, injectionContext({ style, nonce: 'other' }))).toEqual({
      unchanged: 'the pod carries the sidecar already',
      reason: 'already-injected',
    });
  });

  test('is made again in the other style where that is the style now', () => {
    const [now] = STYLES.filter((one) => one !== style);
    const again = injected(injected(pod, context).pod, injectionContext({ style: now! })).pod;
    expect(again).toEqual(injected(pod, injectionContext({ style: now! })).pod);
  });

  test('gets the same patch every time', () => {
    expect(injectRaw(structuredClone(pod), context)).toEqual(outcome);
  });
});

describe('a pod that is injected', () => {
  const names = (list: { name: string }[] | undefined) => (list ?? []).map(({ name }) => name);

  test('has redirection and sidecar before its own init containers in native style', () => {
    const { spec } = injected(PODS.statefulSet, injectionContext()).pod;
    expect(names(spec.initContainers)).toEqual(['mesh-redirect', 'mesh-sidecar', 'fetch', 'migrate']);
    expect(names(spec.containers)).toEqual(['postgres', 'exporter']);
    const sidecar = spec.initContainers![1]!;
    expect(sidecar.restartPolicy).toBe('Always');
    expect(sidecar.startupProbe).toEqual({
      httpGet: { path: expect.stringMatching(/^\/startup\/[0-9a-f]{32}$/), port: 15020, scheme: 'HTTP' },
      timeoutSeconds: 2,
      periodSeconds: 1,
      failureThreshold: 120,
    });
    expect(sidecar.lifecycle).toBeUndefined();
  });

  test.each(STYLES)('is told ready within a second, and unready only after ten, in %s style', (style) => {
    const { spec } = injected(PODS.bare, injectionContext({ style })).pod;
    const all = [...(spec.initContainers ?? []), ...spec.containers];
    expect(all.find(({ name }) => name === 'mesh-sidecar')?.readinessProbe).toMatchObject({
      httpGet: { path: expect.stringMatching(/^\/readyz\/[0-9a-f]{32}$/), port: 15020 },
      periodSeconds: 1,
      failureThreshold: 10,
    });
  });

  test('has redirection last and the sidecar first in ordinary style', () => {
    const { spec } = injected(PODS.statefulSet, injectionContext({ style: 'ordinary' })).pod;
    expect(names(spec.initContainers)).toEqual(['fetch', 'migrate', 'mesh-redirect']);
    expect(names(spec.containers)).toEqual(['mesh-sidecar', 'postgres', 'exporter']);
    const sidecar = spec.containers[0]!;
    expect(sidecar.lifecycle?.postStart?.exec?.command).toEqual(['node', '/mesh/sidecar.js', 'wait']);
    expect(sidecar).not.toHaveProperty('restartPolicy');
    expect(sidecar).not.toHaveProperty('startupProbe');
  });

  test('has no redirection in explicit mode', () => {
    for (const style of STYLES) {
      const { pod, warnings } = injected(PODS.daemonSet, injectionContext({ style }));
      expect([...names(pod.spec.initContainers), ...names(pod.spec.containers)]).not.toContain(
        'mesh-redirect',
      );
      expect(envOf(pod).MESH_TRANSPARENT).toBe('false');
      expect(warnings).toEqual([]);
    }
  });

  test('mounts the two tokens into the sidecar alone', () => {
    for (const style of STYLES) {
      const { spec } = injected(PODS.statefulSet, injectionContext({ style })).pod;
      const holders = [...spec.initContainers!, ...spec.containers].filter(({ volumeMounts = [] }) =>
        volumeMounts.some(({ name }) => name.startsWith('mesh-')),
      );
      expect(names(holders)).toEqual(['mesh-sidecar']);
      const audiences = spec.volumes!.flatMap((volume) =>
        (volume.projected?.sources ?? []).map((source) => source.serviceAccountToken?.audience),
      );
      expect(audiences).toContain('mesh-ca.cluster.local');
    }
  });

  test('keeps the default container that its author chose, else its own first one', () => {
    const chosen = injected(PODS.statefulSet, injectionContext({ style: 'ordinary' })).pod.metadata
      .annotations;
    expect(chosen?.['kubectl.kubernetes.io/default-container']).toBe('exporter');
    expect(chosen?.['kubectl.kubernetes.io/default-logs-container']).toBe('exporter');
    const first = injected(PODS.deployment, injectionContext({ style: 'ordinary' })).pod.metadata
      .annotations!;
    expect(first['kubectl.kubernetes.io/default-container']).toBe('web');
    expect(first['kubectl.kubernetes.io/default-logs-container']).toBe('web');
  });

  test('is labelled with its service and style, over what somebody wrote there', () => {
    const pod = {
      ...PODS.deployment,
      metadata: { ...PODS.deployment.metadata, labels: { app: 'web', 'mesh.dev/service': 'db' } },
    };
    expect(injected(pod, injectionContext()).pod.metadata.labels).toEqual({
      app: 'web',
      'mesh.dev/service': 'web',
      'mesh.dev/injected': 'native',
    });
  });

  test('has containers that can do no more than they must', () => {
    const { spec } = injected(PODS.deployment, injectionContext()).pod;
    const [redirect, sidecar] = spec.initContainers as [V1Container, V1Container];
    const common = {
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'RuntimeDefault' },
    };
    expect(sidecar.securityContext).toEqual({
      ...common,
      runAsUser: 15777,
      runAsGroup: 15777,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(redirect.securityContext).toEqual({
      ...common,
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
    });
    expect(redirect.volumeMounts).toBeUndefined();
  });

  test('tells the sidecar what users wrote as they wrote it, though Kubernetes would replace $(NAME)', () => {
    const probes = envOf(injected(PODS.statefulSet, injectionContext()).pod).MESH_PROBES ?? '';
    expect(probes).toContain('stop $$(NOW)');
  });

  test('gets the defaults of the installation, and its own annotations before them', () => {
    const defaults = {
      logLevel: 'warn' as const,
      drainSeconds: 7,
      tunnel: false,
      resources: { requests: { cpu: '200m', memory: '96Mi' }, limits: { cpu: '300m', memory: '256Mi' } },
    };
    const plain = injected(PODS.deployment, injectionContext({ defaults })).pod;
    expect(plain.spec.initContainers![1]!.resources).toEqual({
      requests: { cpu: '200m', memory: '96Mi' },
      limits: { cpu: '300m', memory: '256Mi' },
    });
    expect(envOf(plain)).toMatchObject({
      MESH_LOG_LEVEL: 'warn',
      MESH_DRAIN_SECONDS: '7',
      MESH_TUNNEL: 'off',
      NODE_OPTIONS: '--max-semi-space-size=4 --max-old-space-size=128 --tls-min-v1.3',
    });
    const annotated = injected(PODS.statefulSet, injectionContext({ defaults })).pod;
    expect(envOf(annotated)).toMatchObject({
      MESH_LOG_LEVEL: 'debug',
      MESH_DRAIN_SECONDS: '20',
      MESH_GRACE_SECONDS: '60',
    });
    expect(annotated.spec.initContainers![1]!.resources?.limits).toEqual({ cpu: '1', memory: '512Mi' });
  });

  test('asks for no more than an annotated limit', () => {
    const pod = structuredClone(PODS.deployment) as unknown as V1Pod & { metadata: { annotations: object } };
    pod.metadata.annotations = {
      ...pod.metadata.annotations,
      'mesh/memory-limit': '64Mi',
      'mesh/cpu-limit': '5m',
    };
    const defaults = { resources: { requests: { memory: '96Mi' } } };
    expect(injected(pod, injectionContext({ defaults })).pod.spec.initContainers![1]!.resources).toEqual({
      requests: { cpu: '5m', memory: '64Mi' },
      limits: { cpu: '5m', memory: '64Mi' },
    });
  });

  test('is given cores by the installation or its own annotation, and for each core what one needs', () => {
    const annotated = (annotations: Record<string, string>) => {
      const pod = structuredClone(PODS.deployment) as unknown as V1Pod & {
        metadata: { annotations: object };
      };
      pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations };
      return pod;
    };
    const sidecarOf = (annotations: Record<string, string>, defaults: SidecarDefaults = {}) => {
      const { pod } = injected(annotated(annotations), injectionContext({ defaults }));
      return { env: envOf(pod), resources: pod.spec.initContainers![1]!.resources };
    };
    expect(sidecarOf({}).env).not.toHaveProperty('MESH_CORES');
    expect(sidecarOf({ 'mesh/cores': '1' }, { cores: 4 }).env).not.toHaveProperty('MESH_CORES');

    const two = sidecarOf({ 'mesh/cores': '2' });
    expect(two.env).toMatchObject({ MESH_CORES: '2' });
    expect(two.env).not.toHaveProperty('NODE_OPTIONS');
    expect(two.resources).toEqual({ requests: { cpu: '20m', memory: '128Mi' }, limits: { memory: '256Mi' } });

    const resources = { requests: { cpu: '0.1', memory: '96Mi' }, limits: { cpu: '1.5', memory: '0.25Gi' } };
    const three = sidecarOf({ 'mesh/memory-request': '100Mi' }, { cores: 3, resources });
    expect(three.env).toMatchObject({
      MESH_CORES: '3',
      NODE_OPTIONS: '--max-semi-space-size=4 --max-old-space-size=128 --tls-min-v1.3',
    });
    expect(three.resources).toEqual({
      requests: { cpu: '0.3', memory: '100Mi' },
      limits: { cpu: '4.5', memory: '0.75Gi' },
    });
  });

  test('is given fewer cores than the installation says where its own memory limit is too little for them', () => {
    const pod = structuredClone(PODS.deployment) as unknown as V1Pod & { metadata: { annotations: object } };
    pod.metadata.annotations = { ...pod.metadata.annotations, 'mesh/memory-limit': '128Mi' };
    const env = envOf(injected(pod, injectionContext({ defaults: { cores: 4 } })).pod);
    expect(env).toMatchObject({
      MESH_CORES: '2',
      NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=32 --tls-min-v1.3',
    });
  });

  test('is started by the entry point of its image, and gets no variable from elsewhere', () => {
    const sidecar = injected(PODS.deployment, injectionContext()).pod.spec.initContainers![1]!;
    expect(sidecar.name).toBe('mesh-sidecar');
    expect(sidecar).not.toHaveProperty('command');
    expect(sidecar).not.toHaveProperty('envFrom');
  });

  test('leaves the image its own flags where the memory is what the image is made for', () => {
    expect(envOf(injected(PODS.deployment, injectionContext()).pod)).not.toHaveProperty('NODE_OPTIONS');
  });
});

function envOf(pod: V1Pod): Record<string, string | undefined> {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const sidecar = all.find(({ name }) => name === 'mesh-sidecar');
  return Object.fromEntries((sidecar?.env ?? []).map(({ name, value }) => [name, value]));
}

import type { V1Container, V1Pod } from '@kubernetes/client-node';

import type { Pod } from '#kube/types.ts';
import { claimOf } from '#operator/resources/member.ts';
import { prunePod } from '#operator/resources/prune-pod.ts';
import { readConfig } from '#sidecar/config/config.ts';
import { readRedirectSettings } from '#sidecar/redirect/settings.ts';
import { injected } from '#webhook/injection/apply.fake.ts';
import { injectionContext } from '#webhook/injection/context.fake.ts';
import { PODS } from '#webhook/injection/pods.fake.ts';
import { podWriteFaults } from '#webhook/validation/pod-write.ts';

/** What injection writes, the sidecar and the operator read: rooms that never see each other, held together here. */

/** What the kubelet makes of a field reference. */
const FIELDS: Record<string, string> = {
  'metadata.name': 'web-7c9d8f6b5-abcde',
  'metadata.namespace': 'shop',
  'metadata.uid': '0b4a6b0e-2f3d-4c0c-9d0a-1a2b3c4d5e6f',
  'status.podIP': '10.1.2.3',
  'status.podIPs': '10.1.2.3,fd00::3',
  'spec.serviceAccountName': 'web',
};

/** A container's environment as the kubelet sets it: fields looked up, `$$` read as `$`. */
function environmentOf(container: V1Container): Record<string, string> {
  return Object.fromEntries(
    (container.env ?? []).map(({ name, value, valueFrom }) => [
      name,
      value === undefined
        ? (FIELDS[valueFrom?.fieldRef?.fieldPath ?? ''] ?? 'unknown field')
        : value.replaceAll('$$', '$'),
    ]),
  );
}

function containersOf(pod: V1Pod): V1Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
}

const cases = Object.keys(PODS).flatMap((name) =>
  (['native', 'ordinary'] as const).map((style) => [name as keyof typeof PODS, style] as const),
);

describe.each(cases)('the injected pod of %s, %s style', (name, style) => {
  const { pod } = injected(PODS[name], injectionContext({ style }));
  const container = (wanted: string) => containersOf(pod).find((one) => one.name === wanted);

  test('gives the sidecar an environment that it can read', () => {
    const config = readConfig(environmentOf(container('mesh-sidecar')!));
    expect(config.service).toBe(pod.metadata.labels?.['mesh.dev/service']);
    expect(config.style).toBe(style);
    expect(config.podIps).toEqual(['10.1.2.3', 'fd00::3']);
    expect(config.graceMs).toBe(
      (PODS[name].spec as { terminationGracePeriodSeconds?: number }).terminationGracePeriodSeconds === 60
        ? 60_000
        : 30_000,
    );
    const mounts = container('mesh-sidecar')!.volumeMounts!.map(({ mountPath }) => mountPath);
    expect(mounts).toContain(config.kubeTokenDir);
    expect(mounts).toContain(config.caTokenFile.replace(/\/token$/, ''));
  });

  test('is a member of the mesh to the operator, whole and pruned, and is nothing that the guard of pods refuses', () => {
    const service = pod.metadata.labels?.['mesh.dev/service'];
    for (const one of [pod, prunePod(pod as unknown as Pod)])
      expect(claimOf(one as unknown as Pod, { outside: false })).toEqual({ kind: style, service });
    const write = { operation: 'CREATE' as const, namespace: 'shop', subResource: undefined, old: undefined };
    const rules = { ...injectionContext(), outside: false };
    expect(podWriteFaults({ ...write, object: pod }, rules)).toEqual([]);
  });

  test('sends the kubelet to exactly the probes and hooks that the sidecar knows', () => {
    const { probes } = readConfig(environmentOf(container('mesh-sidecar')!));
    const asked = containersOf(pod)
      .filter((one) => !one.name.startsWith('mesh-'))
      .flatMap((one) => [
        one.livenessProbe?.httpGet,
        one.readinessProbe?.httpGet,
        one.startupProbe?.httpGet,
        one.lifecycle?.preStop?.httpGet,
        one.lifecycle?.postStart?.httpGet,
      ])
      .flatMap((action) => (action?.port === 15020 ? [action.path] : []));
    expect([...asked].sort()).toEqual([...probes.keys()].map((key) => `/probe/${key}`).sort());
  });

  test("ends the paths of the sidecar's own probes in the secret that it is told", () => {
    const sidecar = container('mesh-sidecar')!;
    const { probeSecret } = readConfig(environmentOf(sidecar));
    expect(probeSecret).toMatch(/^[0-9a-f]{32}$/);
    expect(sidecar.readinessProbe?.httpGet?.path).toBe(`/readyz/${probeSecret}`);
    if (style === 'native') expect(sidecar.startupProbe?.httpGet?.path).toBe(`/startup/${probeSecret}`);
  });

  test('gives the redirection an environment that it can read', () => {
    const redirect = container('mesh-redirect');
    if (!redirect) return;
    const read = readRedirectSettings(environmentOf(redirect));
    expect(read).not.toHaveProperty('faults');
    if (name === 'statefulSet' && 'settings' in read) {
      expect(read.settings.skipInboundPorts).toEqual([22, 8081, 8082, 8083]);
      expect(read.settings.skipOutboundCidrs.map(({ text }) => text)).toEqual(['169.254.169.254/32']);
    }
  });
});

test('what users write arrives as they wrote it', () => {
  const { pod } = injected(PODS.statefulSet, injectionContext());
  const sidecar = containersOf(pod).find(({ name }) => name === 'mesh-sidecar')!;
  const { probes, upstreams } = readConfig(environmentOf(sidecar));
  const hook = [...probes].find(([key]) => key.startsWith('postgres/pre-stop-'))?.[1];
  expect(hook).toMatchObject({ kind: 'http', headers: [['X-Why', 'stop $(NOW)']] });
  expect(upstreams).toEqual([
    { service: { service: 'cache', namespace: 'shop' }, localPort: 6380 },
    { service: { service: 'audit', namespace: 'shop' }, localPort: 9191, port: 443 },
  ]);
});

test('the ports that expect a PROXY protocol header arrive, and none where none are written', () => {
  const portsOf = (annotations: object) => {
    const { metadata, ...rest } = PODS.deployment;
    const written = {
      ...rest,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...annotations } },
    };
    const { pod } = injected(written, injectionContext());
    const sidecar = containersOf(pod).find(({ name }) => name === 'mesh-sidecar')!;
    return [...readConfig(environmentOf(sidecar)).proxyProtocolPorts];
  };
  expect(portsOf({ 'mesh/proxy-protocol-ports': '8080, 5432' })).toEqual([5432, 8080]);
  expect(portsOf({})).toEqual([]);
});

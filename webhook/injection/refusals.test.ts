import { isLeftOutReason } from '#core/pod/left-out.ts';

import { injectRaw, injected } from './apply.fake.ts';
import { injectionContext } from './context.fake.ts';

const CONTEXT = injectionContext();
const app = (more: object = {}) => ({ name: 'app', ...more });
const pod = (
  spec: object = {},
  annotations: Record<string, string> = {},
  labels: Record<string, string> = { app: 'web' },
) => ({
  metadata: { generateName: 'web-', annotations: { 'mesh/inject': 'true', ...annotations }, labels },
  spec: { containers: [app()], ...spec },
});
const refusal = (value: unknown, context = CONTEXT) => {
  const outcome = injectRaw(value, context);
  return 'refused' in outcome ? outcome : { refused: '', reason: JSON.stringify(outcome).slice(0, 200) };
};

describe('a pod that cannot join the mesh is refused', () => {
  test.each<[string, string, unknown, string]>([
    [
      'on the network of its node',
      'host-network',
      pod({ hostNetwork: true }),
      'spec.hostNetwork: the pod shares the network of its node',
    ],
    [
      'on Windows',
      'windows',
      pod({ os: { name: 'windows' } }),
      'spec.os.name: the sidecar runs on Linux only; write mesh/inject: "false"',
    ],
    [
      'on nodes with Windows',
      'windows',
      pod({ nodeSelector: { 'kubernetes.io/os': 'windows' } }),
      'spec.nodeSelector: the sidecar runs on Linux only',
    ],
    [
      "as the sidecar's user",
      'uid-clash',
      pod({ securityContext: { runAsUser: 15777 } }),
      "spec.securityContext.runAsUser: user 15777 is the sidecar's",
    ],
    [
      'with a container of that user',
      'uid-clash',
      pod({ containers: [app(), { name: 'b', securityContext: { runAsUser: 15777 } }] }),
      "spec.containers[1].securityContext.runAsUser: user 15777 is the sidecar's, whose traffic is not redirected: container b would bypass the mesh; write another user",
    ],
    [
      'with an init container of that user',
      'uid-clash',
      pod({ initContainers: [{ name: 'i', securityContext: { runAsUser: 15777 } }] }),
      'spec.initContainers[0].securityContext.runAsUser',
    ],
    [
      'with a container of our name',
      'name-clash',
      pod({ containers: [{ name: 'mesh-sidecar' }] }),
      'spec.containers[0].name: "mesh-sidecar" is the name of a container that injection adds; write another name',
    ],
    [
      'with an init container of our name',
      'name-clash',
      pod({ initContainers: [{ name: 'mesh-redirect' }] }),
      'spec.initContainers[0].name: "mesh-redirect"',
    ],
    [
      'with a volume of our name',
      'volume-clash',
      pod({ volumes: [{ name: 'mesh-ca-token' }] }),
      'spec.volumes[0].name: "mesh-ca-token" is the volume of the sidecar\'s own token',
    ],
    [
      'that mounts our volume',
      'volume-clash',
      pod({ containers: [app({ volumeMounts: [{ name: 'mesh-kube-token', mountPath: '/x' }] })] }),
      'spec.containers[0].volumeMounts[0].name: "mesh-kube-token" is the volume',
    ],
    [
      'that mounts where our tokens are',
      'volume-clash',
      pod({
        containers: [app({ volumeMounts: [{ name: 'x', mountPath: '/var/run/secrets/mesh.dev/ca' }] })],
      }),
      'spec.containers[0].volumeMounts[0].mountPath: "/var/run/secrets/mesh.dev/ca" is where the sidecar keeps its tokens',
    ],
    [
      'that listens on a port of the sidecar',
      'port-clash',
      pod({ containers: [app({ ports: [{ containerPort: 15020 }] })] }),
      'spec.containers[0].ports[0].containerPort: the sidecar listens on 15020; let container app listen on another port',
    ],
    [
      'whose upstream takes its own port',
      'port-clash',
      pod({ containers: [app({ ports: [{ containerPort: 9191 }] })] }, { 'mesh/upstreams': 'db:9191' }),
      'mesh/upstreams: local port 9191 for "db" is a port that container app listens on',
    ],
    [
      'that would drain longer than it lives',
      'bad-annotation',
      pod({ terminationGracePeriodSeconds: 10 }, { 'mesh/drain-seconds': '11' }),
      'mesh/drain-seconds: "11" is longer than the pod has to end; write at most "10"',
    ],
    [
      'with a bad annotation',
      'bad-annotation',
      pod({}, { 'mesh/transparent': 'no' }),
      'mesh/transparent: "no" is neither; write "true" or "false"',
    ],
    [
      'with an unclear wish',
      'bad-annotation',
      pod({}, { 'mesh/inject': 'yes' }),
      'mesh/inject: the annotation says "yes"; write "true" or "false"',
    ],
    [
      'with two wishes',
      'bad-annotation',
      pod({}, {}, { app: 'web', 'mesh/inject': 'false' }),
      'mesh/inject: the annotation says one thing and the label another',
    ],
    [
      'that is two services',
      'no-service-name',
      pod({}, { 'mesh/service': 'web,admin' }),
      'mesh/service: annotation mesh/service names 2 services; one pod is one service',
    ],
    [
      'that nobody can tell the service of',
      'no-service-name',
      pod({}, {}, {}),
      'mesh/service: nothing says which service this pod is; write the annotation mesh/service',
    ],
  ])('%s', (_what, reason, value, text) => {
    const outcome = refusal(value);
    expect(outcome.reason).toBe(reason);
    expect(outcome.refused).toContain(`pod shop/web- cannot join the mesh: ${text}`);
  });

  test('with everything that is wrong at once', () => {
    const { refused } = refusal(
      pod(
        {
          hostNetwork: true,
          securityContext: { runAsUser: 15777 },
          containers: [{ name: 'mesh-sidecar', ports: [{ containerPort: 20000 }] }],
        },
        { 'mesh/inject': 'ja', 'mesh/log-level': 'loud', 'mesh/upstreams': 'DB:1' },
        {},
      ),
    );
    expect(refused.split('\n')).toHaveLength(10);
    expect(refused).toMatch(/^pod shop\/web- cannot join the mesh, 9 things to change:\n- mesh\/service: /);
  });

  test.each([
    ['a UDP port with the number of ours', { ports: [{ containerPort: 15020, protocol: 'UDP' }] }],
    ['a user beside ours', { securityContext: { runAsUser: 15776 } }],
    [
      'a volume with a name like ours',
      { volumeMounts: [{ name: 'mesh-ca-token2', mountPath: '/var/run/secrets/mesh.devil' }] },
    ],
  ])('but not for %s', (_what, more) => {
    expect(injectRaw(pod({ containers: [app(more)] }), CONTEXT)).toHaveProperty('service');
  });
});

describe('where only the namespace asks for the mesh', () => {
  const asking = injectionContext({ namespaceLabels: { 'mesh/inject': 'true' } });
  const silent = (spec: object = {}, metadata: object = {}) => ({
    metadata: { generateName: 'web-', ...metadata },
    spec: { containers: [app()], ...spec },
  });

  test.each<[string, string, object, string]>([
    ['that nothing names', 'no-service-name', {}, 'mesh/service: nothing says which service this pod is'],
    [
      'whose ServiceAccount is not a valid name of a service',
      'no-service-name',
      { serviceAccountName: 'build.robot' },
      'mesh/service: the ServiceAccount "build.robot" gives the service name',
    ],
    [
      'on the network of its node',
      'host-network',
      { serviceAccountName: 'agent', hostNetwork: true },
      'spec.hostNetwork: the pod shares the network of its node',
    ],
    [
      'on Windows',
      'windows',
      { serviceAccountName: 'web', os: { name: 'windows' } },
      'spec.os.name: the sidecar runs on Linux only',
    ],
  ])('a pod %s is left out, marked, with a word about it', (_what, reason, spec, text) => {
    const outcome = injectRaw(silent(spec), asking);
    expect(outcome).toEqual({
      leftOut: expect.stringContaining(`left out of the mesh, which its namespace asks for: ${text}`),
      reason,
      patch: [
        { op: 'add', path: '/metadata/labels', value: {} },
        { op: 'add', path: '/metadata/labels/mesh.dev~1left-out', value: reason },
      ],
    });
    expect(isLeftOutReason(reason)).toBe(true);
  });

  test.each<[string, object]>([
    ['its annotation', { annotations: { 'mesh/inject': 'true' } }],
    ['its label', { labels: { 'mesh/inject': 'true' } }],
    ['another annotation of the mesh', { annotations: { 'mesh/upstreams': 'db:9191' } }],
    ['one that is mistyped', { annotations: { 'mesh/upstream': 'db:9191' } }],
  ])('a pod that says so itself, by %s, is refused', (_what, metadata) => {
    expect(injectRaw(silent({ hostNetwork: true }, metadata), asking)).toHaveProperty('refused');
  });

  test('a pod that was left out once and can join is injected, and not marked any more', () => {
    const pod = silent({ serviceAccountName: 'web' }, { labels: { 'mesh.dev/left-out': 'host-network' } });
    expect(injected(pod, asking).pod.metadata.labels).toEqual({
      'mesh.dev/service': 'web',
      'mesh.dev/injected': 'native',
    });
  });
});

describe('whether a pod asks', () => {
  const plain = (annotations: Record<string, string> | undefined, labels: Record<string, string> = {}) => ({
    metadata: { name: 'p', labels: { app: 'web', ...labels }, ...(annotations ? { annotations } : {}) },
    spec: { containers: [app()] },
  });
  const asking = injectionContext({ namespaceLabels: { 'mesh/inject': 'true' } });

  test.each<[string, unknown, ReturnType<typeof injectionContext>, string]>([
    ['no word anywhere', plain(undefined), CONTEXT, 'not-asked'],
    ['its annotation says no', plain({ 'mesh/inject': 'false' }), CONTEXT, 'not-asked'],
    ['its annotation says no against its namespace', plain({ 'mesh/inject': 'false' }), asking, 'not-asked'],
    [
      'its label says no against its namespace',
      plain(undefined, { 'mesh/inject': 'false' }),
      asking,
      'not-asked',
    ],
    [
      'its namespace says no',
      plain(undefined),
      injectionContext({ namespaceLabels: { 'mesh/inject': 'false' } }),
      'not-asked',
    ],
    [
      "it lives in the mesh's own namespace",
      plain({ 'mesh/inject': 'true' }),
      injectionContext({ namespace: 'mesh' }),
      'excluded-namespace',
    ],
    [
      'it lives in kube-system',
      plain({ 'mesh/inject': 'true' }),
      injectionContext({ namespace: 'kube-system' }),
      'excluded-namespace',
    ],
    [
      'it lives in an excluded namespace',
      plain({ 'mesh/inject': 'true' }),
      injectionContext({ namespace: 'build' }),
      'excluded-namespace',
    ],
  ])('no: %s', (_what, value, context, reason) => {
    expect(injectRaw(value, context)).toMatchObject({ unchanged: expect.any(String), reason });
  });

  test.each<[string, unknown, ReturnType<typeof injectionContext>]>([
    ['its annotation', plain({ 'mesh/inject': 'true' }), CONTEXT],
    ['its label', plain(undefined, { 'mesh/inject': 'true' }), CONTEXT],
    ['both', plain({ 'mesh/inject': 'true' }, { 'mesh/inject': 'true' }), CONTEXT],
    ['its namespace', plain(undefined), asking],
  ])('yes: %s', (_what, value, context) => {
    expect(injectRaw(value, context)).toHaveProperty('service');
  });

  test('a namespace that says neither stops none of its pods, with a warning that says so', () => {
    const odd = injectionContext({ namespaceLabels: { 'mesh/inject': 'enabled' } });
    expect(injectRaw(plain(undefined), odd)).toEqual({
      leftOut: expect.stringContaining('the label of namespace shop says "enabled"; write "true" or "false"'),
      reason: 'bad-annotation',
      patch: [],
    });
  });

  test('a status without a sidecar says nothing: the pod is injected', () => {
    expect(injectRaw(plain({ 'mesh/inject': 'true', 'mesh/status': '{}' }), CONTEXT)).toHaveProperty(
      'service',
    );
  });
});

describe('a pod that is injected all the same comes with a warning', () => {
  const warnings = (value: unknown, context = CONTEXT) => {
    const outcome = injectRaw(value, context);
    return 'service' in outcome ? outcome.warnings : [JSON.stringify(outcome)];
  };

  test.each<[string, object, string[]]>([
    [
      'privileged',
      { securityContext: { privileged: true } },
      ['container app is privileged: it can undo the redirection of traffic into the mesh'],
    ],
    [
      'NET_ADMIN',
      { securityContext: { capabilities: { add: ['CHOWN', 'NET_ADMIN'] } } },
      ['container app has NET_ADMIN: it can undo the redirection of traffic into the mesh'],
    ],
    [
      'UDP',
      { ports: [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 80 }] },
      ['container app: 53/UDP is not covered by the mesh, which carries TCP only'],
    ],
    [
      'a reserved port',
      { ports: [{ containerPort: 8500 }] },
      ['container app: port 8500 is reserved for the sidecar; a later version listens there'],
    ],
    ['nothing', { ports: [{ containerPort: 80 }] }, []],
  ])('%s', (_what, more, expected) => {
    expect(warnings(pod({ containers: [app(more)] }))).toEqual(expected);
  });

  const block = (cpu: string, memory: string) => ({ cpu, memory });
  const limits = block('1', '1Gi');

  test.each<[string, object, Record<string, string>, boolean]>([
    ['limits alone, which are requests too', { limits }, {}, true],
    ['requests that equal limits in other words', { limits, requests: block('1000m', '1024Mi') }, {}, true],
    ['requests below limits', { limits, requests: block('500m', '1Gi') }, {}, false],
    ['no CPU limit', { limits: { memory: '1Gi' } }, {}, false],
    ['a limit of nothing', { limits: block('0', '1Gi') }, {}, false],
    ['nothing', {}, {}, false],
    [
      'a sidecar whose requests equal its limits',
      { limits },
      {
        'mesh/cpu-request': '100m',
        'mesh/cpu-limit': '100m',
        'mesh/memory-request': '128Mi',
        'mesh/memory-limit': '128Mi',
      },
      false,
    ],
    ['a sidecar with a memory limit only', { limits }, { 'mesh/memory-request': '128Mi' }, true],
  ])('where it loses the class Guaranteed: %s', (_what, resources, annotations, loses) => {
    const [warning, ...more] = warnings(pod({ containers: [app({ resources })] }, annotations));
    expect(more).toEqual([]);
    expect(warning !== undefined).toBe(loses);
    if (loses) {
      expect(warning).toContain('was Guaranteed and is Burstable');
      expect(warning).toMatch(/mesh\/cpu-request and mesh\/cpu-limit: "[0-9]+m", mesh\/memory-request/);
    }
  });

  test('not about Guaranteed where one container is not, or the pod has resources as a whole', () => {
    const sure = app({ resources: { limits } });
    expect(warnings(pod({ containers: [sure], initContainers: [{ name: 'i' }] }))).toEqual([]);
    expect(warnings(pod({ containers: [sure], resources: { limits } }))).toEqual([]);
  });

  test('where its service is taken by other ServiceAccounts, or its ServiceAccount may be other services', () => {
    const service = (name: string, serviceAccounts: string[]) => ({
      metadata: { name, namespace: 'shop' },
      spec: { serviceAccounts },
    });
    const meshServices = [service('web', ['frontend']), service('shop', ['web'])];
    const by = (serviceAccountName: string) =>
      warnings(pod({ serviceAccountName }, { 'mesh/service': 'web' }), injectionContext({ meshServices }));
    expect(by('web')).toEqual([expect.stringContaining('service web belongs to ServiceAccount frontend')]);
    expect(by('frontend')).toEqual([]);
    const own = pod({ serviceAccountName: 'web' }, { 'mesh/service': 'cart' });
    expect(warnings(own, injectionContext({ meshServices }))).toEqual([
      expect.stringContaining('pods of ServiceAccount web may also be shop'),
    ]);
  });

  test('where its namespace refuses what the redirection needs', () => {
    const strict = injectionContext({
      namespaceLabels: { 'pod-security.kubernetes.io/enforce': 'restricted' },
    });
    expect(warnings(pod(), strict)[0]).toContain(
      'namespace shop enforces pod security restricted, which refuses NET_ADMIN',
    );
    expect(warnings(pod({}, { 'mesh/transparent': 'false' }), strict)).toEqual([]);
  });
});

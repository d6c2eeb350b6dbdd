import { mutatingWebhook, validatingWebhook } from './decide.ts';
import type { WebhookSituation } from './decide.ts';

const SITUATION: WebhookSituation = {
  meshNamespace: 'mesh-system',
  excludedNamespaces: ['openebs', 'kube-system'],
  matchConditions: true,
  roots: 'PEM\n',
  paths: { registered: '70'.repeat(32) },
  owner: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'mesh-operator', uid: 'u' },
};
const OLD: WebhookSituation = { ...SITUATION, matchConditions: false };

describe('the registration of injection', () => {
  const hooks = (situation: WebhookSituation) => mutatingWebhook(situation).webhooks ?? [];

  test('with matchConditions a dead webhook stops only pods that ask', () => {
    for (const hook of hooks(SITUATION)) {
      expect(hook.failurePolicy).toBe('Fail');
      expect(hook.matchConditions).toHaveLength(1);
    }
    expect(hooks(SITUATION)[0]?.matchConditions?.[0]?.expression).toBe(
      "((has(object.metadata.annotations) && 'mesh/inject' in object.metadata.annotations) && object.metadata.annotations['mesh/inject'] != 'false')" +
        " || ((has(object.metadata.labels) && 'mesh/inject' in object.metadata.labels) && object.metadata.labels['mesh/inject'] != 'false')",
    );
  });

  test('without them it stops none', () => {
    for (const hook of hooks(OLD)) {
      expect(hook.failurePolicy).toBe('Ignore');
      expect(hook).not.toHaveProperty('matchConditions');
    }
  });

  test('never in kube-system, the mesh’s own namespace, or excluded ones; each named once', () => {
    for (const hook of hooks(SITUATION)) {
      expect(hook.namespaceSelector?.matchExpressions?.[0]).toEqual({
        key: 'kubernetes.io/metadata.name',
        operator: 'NotIn',
        values: ['kube-system', 'mesh-system', 'openebs'],
      });
    }
  });

  test('creation of pods only, answered by the operator’s Service, trusted by the mesh’s roots', () => {
    expect(hooks(SITUATION).map(({ clientConfig }) => clientConfig.service?.path)).toEqual([
      `/${'70'.repeat(32)}/inject`,
      `/${'70'.repeat(32)}/inject/by-namespace`,
    ]);
    for (const hook of hooks(SITUATION)) {
      expect(hook.rules).toEqual([
        {
          apiGroups: [''],
          apiVersions: ['v1'],
          operations: ['CREATE'],
          resources: ['pods'],
          scope: 'Namespaced',
        },
      ]);
      expect(hook.clientConfig).toMatchObject({
        caBundle: Buffer.from('PEM\n').toString('base64'),
        service: { name: 'mesh-operator', namespace: 'mesh-system', port: 443 },
      });
      expect(hook).toMatchObject({ sideEffects: 'None', timeoutSeconds: 5, reinvocationPolicy: 'IfNeeded' });
    }
  });
});

describe('the registration of what guards pods', () => {
  const hooks = (situation: WebhookSituation) =>
    (validatingWebhook(situation).webhooks ?? []).filter(
      ({ name }) => name !== 'resources.validate.mesh.dev',
    );
  const pods = (operations: string[], resource: string) => ({
    apiGroups: [''],
    apiVersions: ['v1'],
    operations,
    resources: [resource],
    scope: 'Namespaced',
  });

  test('every namespace, creations and changes, and changes by the path of the status', () => {
    const [guard, debug, ...more] = hooks(SITUATION);
    expect(more).toEqual([]);
    expect(guard).toMatchObject({
      name: 'pods.validate.mesh.dev',
      failurePolicy: 'Fail',
      namespaceSelector: {},
    });
    expect(guard?.rules).toEqual([pods(['CREATE', 'UPDATE'], 'pods'), pods(['UPDATE'], 'pods/status')]);
    expect(debug).toMatchObject({ name: 'debug.validate.mesh.dev', failurePolicy: 'Fail' });
    expect(debug?.rules).toEqual([pods(['UPDATE'], 'pods/ephemeralcontainers')]);
  });

  test('and of those only what touches a key of ours: no kubelet waits for the webhook', () => {
    // What these expressions say was tried with the API server's own library, see docs/decisions/0024.
    const [guard, debug] = hooks(SITUATION).map(
      ({ matchConditions }) => matchConditions?.[0]?.expression ?? '',
    );
    expect(guard?.startsWith("request.operation == 'CREATE' ? (")).toBe(true);
    expect(guard?.match(/key\.startsWith\('mesh\.dev\/'\)/g)).toHaveLength(6);
    expect(debug).toContain('one.securityContext.runAsUser == 15777');
    expect(debug).toContain("mount.name in ['mesh-kube-token', 'mesh-ca-token']");
  });

  test('without matchConditions it sees pods that are labelled as injected, and stops none', () => {
    const [guard, ...more] = hooks(OLD);
    expect(more).toEqual([]);
    expect(guard).toMatchObject({
      failurePolicy: 'Ignore',
      objectSelector: { matchExpressions: [{ key: 'mesh.dev/injected', operator: 'Exists' }] },
    });
    expect(guard?.rules).toEqual([pods(['CREATE', 'UPDATE'], 'pods')]);
    expect(guard).not.toHaveProperty('matchConditions');
  });
});

describe('the registration of validation', () => {
  test.each([SITUATION, OLD])(
    'lets a deny through when the operator is away; looks at what is written and never at status',
    (situation) => {
      const [hook] = validatingWebhook(situation).webhooks ?? [];
      expect(hook).toMatchObject({ failurePolicy: 'Ignore', sideEffects: 'None' });
      expect(hook?.rules).toEqual([
        {
          apiGroups: ['mesh.dev'],
          apiVersions: ['v1alpha1'],
          operations: ['CREATE', 'UPDATE'],
          resources: ['intentions', 'meshservices', 'meshconfigs'],
          scope: '*',
        },
      ]);
    },
  );
});

import { mutatingWebhook, validatingWebhook } from './decide.ts';
import type { WebhookSituation } from './decide.ts';

const SITUATION: WebhookSituation = {
  meshNamespace: 'mesh-system',
  excludedNamespaces: ['openebs', 'kube-system'],
  matchConditions: true,
  roots: 'PEM\n',
  paths: { registered: 'p'.repeat(43) },
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
      `/${'p'.repeat(43)}/inject`,
      `/${'p'.repeat(43)}/inject/by-namespace`,
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

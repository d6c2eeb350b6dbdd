import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  OUTSIDE_PERMISSIONS,
  RUN_LOOKUP_PERMISSIONS,
  RUN_PERMISSIONS,
} from '#operator/composition/permissions.ts';

import { NAMESPACE, find } from './render.ts';
import type { Manifest } from './render.ts';
import { describeHere, reason, renderBoth } from './testing/with-helm.ts';

function withoutReasons(list: readonly object[]): object[] {
  return list.map((entry) => Object.fromEntries(Object.entries(entry).filter(([key]) => key !== 'reason')));
}

describeHere(`the permissions in the chart${reason}`, () => {
  let defaults: Manifest[];
  let changed: Manifest[];
  beforeAll(async () => {
    [defaults, changed] = await renderBoth();
  });

  test('lets the operator do what operator/composition/permissions.ts says, and nothing else', () => {
    expect(find(defaults, 'ClusterRole', 'mesh-operator').rules).toEqual(withoutReasons(CLUSTER_PERMISSIONS));
    expect(find(defaults, 'Role', 'mesh-operator').rules).toEqual(withoutReasons(NAMESPACE_PERMISSIONS));
  });

  test('gives nobody a wildcard', () => {
    for (const { rules } of [...defaults, ...changed].filter(({ kind }) =>
      ['Role', 'ClusterRole'].includes(kind),
    )) {
      expect(JSON.stringify(rules)).not.toContain('"*"');
    }
  });

  test('lets meshed pods read rules, services, roots and endpoints, and nothing else', () => {
    const read = ['get', 'list', 'watch'];
    expect(find(defaults, 'ClusterRole', 'mesh-sidecar-policy').rules).toEqual([
      { apiGroups: ['mesh.dev'], resources: ['intentions'], verbs: read },
      { apiGroups: ['mesh.dev'], resources: ['meshservices'], verbs: read },
      { apiGroups: ['mesh.dev'], resources: ['catalogentries'], verbs: read },
    ]);
    expect(find(defaults, 'ClusterRole', 'mesh-sidecar-catalog').rules).toEqual([
      { apiGroups: ['mesh.dev'], resources: ['meshconfigs'], verbs: read },
      { apiGroups: ['mesh.dev'], resources: ['meshservices'], verbs: read },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
    ]);
  });

  test('gives the operator the right to delete registrations, and people that to make them, as operator/composition/permissions.ts says', () => {
    expect(find(changed, 'ClusterRole', 'mesh-operator-outside').rules).toEqual(
      withoutReasons(OUTSIDE_PERMISSIONS),
    );
    expect(find(changed, 'ClusterRoleBinding', 'mesh-operator-outside').subjects).toEqual([
      { kind: 'ServiceAccount', name: 'mesh-operator', namespace: NAMESPACE },
    ]);
    expect(find(changed, 'ClusterRole', 'mesh-run').rules).toEqual(withoutReasons(RUN_PERMISSIONS));
    expect(find(changed, 'ClusterRole', 'mesh-run-lookup').rules).toEqual(
      withoutReasons(RUN_LOOKUP_PERMISSIONS),
    );
  });

  test('lets those who edit or view a namespace edit or view its rules, unless told not to', () => {
    const aggregated = (manifests: readonly Manifest[], name: string): string[] =>
      Object.keys(find(manifests, 'ClusterRole', name).metadata.labels ?? {}).filter((label) =>
        label.includes('aggregate-to'),
      );
    expect(aggregated(defaults, 'mesh-edit')).toEqual([
      'rbac.authorization.k8s.io/aggregate-to-edit',
      'rbac.authorization.k8s.io/aggregate-to-admin',
    ]);
    expect(aggregated(defaults, 'mesh-view')).toContain('rbac.authorization.k8s.io/aggregate-to-view');
    expect([...aggregated(changed, 'mesh-edit'), ...aggregated(changed, 'mesh-view')]).toEqual([]);
  });
});

import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  OUTSIDE_PERMISSIONS,
  RUN_LOOKUP_PERMISSIONS,
  RUN_PERMISSIONS,
} from './permissions.ts';

const ALL = [...CLUSTER_PERMISSIONS, ...NAMESPACE_PERMISSIONS];

describe('what the operator may do', () => {
  test('every permission says why, and none is a wildcard', () => {
    const more = [...OUTSIDE_PERMISSIONS, ...RUN_PERMISSIONS, ...RUN_LOOKUP_PERMISSIONS];
    for (const { apiGroups, resources, verbs, reason } of [...ALL, ...more]) {
      expect(reason.length).toBeGreaterThan(20);
      for (const part of [...apiGroups, ...resources, ...verbs]) expect(part).not.toContain('*');
    }
  });

  test('nothing is listed twice', () => {
    const single = ALL.flatMap(({ apiGroups, resources, verbs, resourceNames = [''] }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.flatMap((verb) => resourceNames.map((name) => `${group}/${resource} ${verb} ${name}`)),
        ),
      ),
    );
    const inNamespace = NAMESPACE_PERMISSIONS.length;
    expect(inNamespace).toBeGreaterThan(0);
    expect(new Set(single).size).toBe(single.length);
  });

  test('no Secret but the authority’s, and its credentials, can be read, and none outside the mesh’s namespace', () => {
    expect(CLUSTER_PERMISSIONS.filter(({ resources }) => resources.includes('secrets'))).toEqual([]);
    const reading = NAMESPACE_PERMISSIONS.filter(
      ({ resources, verbs }) => resources.includes('secrets') && verbs.some((verb) => verb !== 'create'),
    );
    expect(reading.flatMap(({ resourceNames }) => resourceNames)).toEqual([
      'mesh-ca',
      'mesh-ca-next',
      'mesh-ca-vault',
      'mesh-ca-step',
    ]);
    expect(reading.flatMap(({ verbs }) => verbs)).toEqual([
      'get',
      'update',
      'delete',
      'get',
      'delete',
      'get',
    ]);
  });

  test('only the two sidecar roles can be given away, and no right can be made up', () => {
    const roles = ALL.filter(
      ({ resources }) => resources.includes('clusterroles') || resources.includes('roles'),
    );
    expect(roles.flatMap(({ verbs }) => verbs).sort()).toEqual(['bind', 'get']);
    expect(roles.find(({ verbs }) => verbs.includes('bind'))?.resourceNames).toEqual([
      'mesh-sidecar-policy',
      'mesh-sidecar-catalog',
    ]);
  });

  test('of all bindings only those of sidecars can be changed, and none can be made in the whole cluster', () => {
    const onBindings = ALL.filter(({ resources }) =>
      resources.some((resource) => resource.endsWith('bindings')),
    );
    const lines = onBindings.flatMap(({ resources, verbs, resourceNames = ['any'] }) =>
      verbs.map((verb) => `${verb} ${resources.join()} ${resourceNames.join()}`),
    );
    expect(lines.filter((line) => line.endsWith(' any'))).toEqual(['create rolebindings any']);
    expect(lines.filter((line) => /^(patch|update|delete|create)/.test(line))).toEqual([
      'create rolebindings any',
      'patch rolebindings mesh-sidecar',
      'delete rolebindings mesh-sidecar',
      'patch clusterrolebindings mesh-sidecar',
    ]);
  });

  test('where machines outside may join, it may delete pods besides, and read no more than Leases and which nodes there are', () => {
    const lines = OUTSIDE_PERMISSIONS.map(({ resources, verbs }) => `${verbs.join()} ${resources.join()}`);
    expect(lines).toEqual(['list nodes', 'get leases', 'delete pods']);
  });

  test('what is given in the whole cluster to those who use mesh run changes nothing and shows no secret', () => {
    expect(new Set(RUN_LOOKUP_PERMISSIONS.flatMap(({ verbs }) => verbs))).toEqual(new Set(['get']));
    for (const { resources, resourceNames } of RUN_LOOKUP_PERMISSIONS)
      expect(resources.includes('meshservices') || resourceNames?.length === 1).toBe(true);
  });

  test('pods cannot be changed, nor can rules', () => {
    const changing = ['create', 'update', 'patch', 'delete', 'deletecollection'];
    for (const resource of ['pods', 'services', 'namespaces', 'intentions']) {
      for (const { verbs } of ALL.filter(({ resources }) => resources.includes(resource))) {
        expect(verbs.filter((verb) => changing.includes(verb))).toEqual([]);
      }
    }
  });
});

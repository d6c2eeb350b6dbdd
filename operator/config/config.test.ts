import { OperatorConfigError, readConfig } from './config.ts';

const good = {
  MESH_NAMESPACE: 'mesh',
  POD_NAME: 'mesh-operator-0',
  MESH_SIDECAR_IMAGE: 'registry.example/mesh-sidecar:1',
};

function faultsOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof OperatorConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('the operator’s settings', () => {
  test('the least that is needed gives the defaults', () => {
    expect(readConfig(good)).toEqual({
      meshNamespace: 'mesh',
      podName: 'mesh-operator-0',
      sidecarImage: 'registry.example/mesh-sidecar:1',
      sidecarImagePullPolicy: 'IfNotPresent',
      meshConfig: {},
      sidecarDefaults: {},
      logLevel: 'info',
      excludedNamespaces: [],
      httpsPort: 8443,
      httpPort: 8080,
      webhookPort: 9443,
    });
  });

  test('everything given is taken', () => {
    const config = readConfig({
      ...good,
      MESH_SIDECAR_IMAGE_PULL_POLICY: 'Never',
      MESH_CONFIG: '{"trustDomain":"corp.example","leafTTL":"1h","defaultAction":"deny"}',
      MESH_SIDECAR_DEFAULTS:
        '{"resources":{"requests":{"cpu":"10m","memory":"64Mi"}},"logLevel":"debug","drainSeconds":5,"tunnel":false,"cores":2}',
      MESH_LOG_LEVEL: 'debug',
      MESH_OWNER_CLUSTERROLE: 'mesh-operator',
      MESH_WEBHOOK_EXCLUDED_NAMESPACES: 'local-path-storage, openebs',
      MESH_HTTPS_PORT: '9443',
      MESH_HTTP_PORT: '0',
    });
    expect(config).toMatchObject({
      sidecarImagePullPolicy: 'Never',
      meshConfig: { trustDomain: 'corp.example', leafTTL: '1h' },
      sidecarDefaults: { resources: { requests: { cpu: '10m' } }, drainSeconds: 5, tunnel: false, cores: 2 },
      ownerClusterRole: 'mesh-operator',
      excludedNamespaces: ['local-path-storage', 'openebs'],
      httpsPort: 9443,
      httpPort: 0,
    });
  });

  test('the operator and its sidecars may be silent', () => {
    expect(
      readConfig({ ...good, MESH_LOG_LEVEL: 'silent', MESH_SIDECAR_DEFAULTS: '{"logLevel":"silent"}' }),
    ).toMatchObject({ logLevel: 'silent', sidecarDefaults: { logLevel: 'silent' } });
  });

  test('an empty variable counts as not set', () => {
    expect(readConfig({ ...good, MESH_CONFIG: '', MESH_OWNER_CLUSTERROLE: '' })).not.toHaveProperty(
      'ownerClusterRole',
    );
  });

  test('all faults are told at once, each with its variable', () => {
    const faults = faultsOf({
      POD_NAME: 'x',
      MESH_NAMESPACE: 'Mesh',
      MESH_CONFIG: '{"trustDomain":"UPPER","leafTTL":"soon","typo":1}',
      MESH_SIDECAR_DEFAULTS: '{',
      MESH_LOG_LEVEL: 'loud',
      MESH_HTTPS_PORT: '70000',
      MESH_WEBHOOK_EXCLUDED_NAMESPACES: 'fine,Not Fine',
    }).join('\n');
    for (const part of [
      'MESH_NAMESPACE: write the name of a namespace',
      'MESH_SIDECAR_IMAGE is not set',
      'MESH_CONFIG: trustDomain',
      'MESH_CONFIG: leafTTL',
      'MESH_CONFIG: Unrecognized key: "typo"',
      'MESH_SIDECAR_DEFAULTS: not JSON',
      'MESH_LOG_LEVEL',
      'MESH_HTTPS_PORT: write a port number',
      'MESH_WEBHOOK_EXCLUDED_NAMESPACES: 1',
    ]) {
      expect(faults).toContain(part);
    }
  });

  test('the error prints as a list', () => {
    expect(() => readConfig({})).toThrow(
      /The operator cannot start[^]*\n {2}- MESH_NAMESPACE is not set\n {2}- POD_NAME is not set/,
    );
  });

  test('the settings are frozen', () => {
    expect(Object.isFrozen(readConfig(good))).toBe(true);
  });
});

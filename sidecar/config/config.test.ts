import { SidecarConfigError, readConfig } from './config.ts';

const READINESS = 'app/readiness-0123456789abcdef0123456789abcdef';

const good = {
  MESH_SERVICE: 'web',
  POD_NAME: 'web-5d8f-abc',
  POD_NAMESPACE: 'shop',
  POD_UID: '0b1c2d3e-0000-4000-8000-000000000001',
  POD_IPS: '10.1.0.7,fd00::7',
  POD_SERVICE_ACCOUNT: 'web',
  MESH_NAMESPACE: 'mesh-system',
  MESH_TRUST_DOMAIN: 'cluster.local',
  MESH_OPERATOR_URL: 'https://mesh-operator.mesh-system.svc:8443',
};

function faults(env: Record<string, string | undefined>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof SidecarConfigError) return error.faults;
    throw error;
  }
  return [];
}

test('what injection always sets is enough', () => {
  expect(readConfig(good)).toMatchObject({
    service: 'web',
    podIps: ['10.1.0.7', 'fd00::7'],
    operatorUrl: 'https://mesh-operator.mesh-system.svc:8443',
    transparent: true,
    cores: 1,
    upstreams: [],
    proxyProtocolPorts: new Set(),
    drainMs: 5_000,
    graceMs: 30_000,
    style: 'native',
    logLevel: 'info',
    caTokenFile: '/var/run/secrets/mesh.dev/ca/token',
  });
});

test('everything can be set', () => {
  const config = readConfig({
    ...good,
    MESH_TRANSPARENT: 'false',
    MESH_UPSTREAMS: 'db:9191, cache.other:6380:6379',
    MESH_PROBES: `{"${READINESS}":{"httpGet":{"port":8080,"path":"/ready"},"timeoutSeconds":3}}`,
    MESH_CONTAINER_PORTS: '{"http":8080}',
    MESH_LOG_LEVEL: 'debug',
    MESH_CORES: '16',
    MESH_PROXY_PROTOCOL_PORTS: '5432,8080',
    MESH_DRAIN_SECONDS: '7',
    MESH_GRACE_SECONDS: '60',
    MESH_STYLE: 'ordinary',
  });
  expect(config).toMatchObject({
    transparent: false,
    cores: 16,
    drainMs: 7_000,
    graceMs: 60_000,
    style: 'ordinary',
    logLevel: 'debug',
  });
  expect(config.upstreams).toEqual([
    { localPort: 9191, service: { namespace: 'shop', service: 'db' } },
    { localPort: 6380, service: { namespace: 'other', service: 'cache' }, port: 6379 },
  ]);
  expect(config.containerPorts.get('http')).toBe(8080);
  expect(config.proxyProtocolPorts).toEqual(new Set([5432, 8080]));
  expect(config.probes.get(READINESS)).toMatchObject({
    kind: 'http',
    path: '/ready',
    timeoutMs: 3_000,
  });
});

test('a pod of one address, written by an older Kubernetes', () => {
  expect(readConfig({ ...good, POD_IPS: '', POD_IP: '10.1.0.7' }).podIps).toEqual(['10.1.0.7']);
});

test('nothing can be changed afterwards', () => {
  const config = readConfig(good);
  expect(() => Object.assign(config, { service: 'db' })).toThrow(TypeError);
});

test('all faults are told at once, each with its variable', () => {
  const found = faults({
    ...good,
    MESH_SERVICE: 'Web',
    POD_UID: undefined,
    POD_IPS: '10.1.0.7,nowhere',
    MESH_OPERATOR_URL: 'http://mesh-operator',
    MESH_TRANSPARENT: 'yes',
    MESH_UPSTREAMS: 'db,cache:x',
    MESH_PROBES: `{"${READINESS}":{}, "nothing":{}}`,
    MESH_PROBE_SECRET: 'not secret',
    MESH_CONTAINER_PORTS: '[1]',
    MESH_LOG_LEVEL: 'loud',
    MESH_DRAIN_SECONDS: '1.5',
    MESH_STYLE: 'modern',
  });
  const variables = new Set(found.map((fault) => fault.split(/[: ]/)[0]));
  expect([...variables].sort()).toEqual([
    'MESH_CONTAINER_PORTS',
    'MESH_DRAIN_SECONDS',
    'MESH_LOG_LEVEL',
    'MESH_OPERATOR_URL',
    'MESH_PROBES',
    'MESH_PROBE_SECRET',
    'MESH_SERVICE',
    'MESH_STYLE',
    'MESH_TRANSPARENT',
    'MESH_UPSTREAMS',
    'POD_IPS',
    'POD_UID',
  ]);
  expect(found).toContain('POD_UID is not set');
  expect(found.find((fault) => fault.startsWith('MESH_SERVICE'))).toContain('write "web"');
  expect(found.filter((fault) => fault.startsWith('MESH_PROBES'))).toHaveLength(2);
});

test('an empty environment names every variable that is needed', () => {
  expect(faults({}).filter((fault) => fault.endsWith('is not set'))).toHaveLength(9);
});

test.each(['https://host/path', 'https://user@host:1', 'ftp://host', 'host:8443', 'https://host?x'])(
  'operator address %s is refused',
  (url) => {
    expect(faults({ ...good, MESH_OPERATOR_URL: url })).toHaveLength(1);
  },
);

test.each(['0', '17', '-1', '1.5', 'two', '002'])('%s cores are refused', (text) => {
  expect(faults({ ...good, MESH_CORES: text })).toEqual([
    `MESH_CORES: ${JSON.stringify(text)}: write a whole number from 1 to 16`,
  ]);
});

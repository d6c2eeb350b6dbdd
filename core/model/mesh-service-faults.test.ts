import fc from 'fast-check';

import { meshServiceFaults, meshServiceWarnings } from './mesh-service-faults.ts';

const told = (faults: readonly { field: string; message: string }[]) =>
  faults.map(({ field, message }) => `${field}: ${message}`);

describe('a MeshService', () => {
  const check = (spec: unknown, name = 'db', namespace = 'shop') =>
    told(meshServiceFaults({ metadata: { name, namespace }, spec }, { meshNamespace: 'mesh' }));

  test.each([
    undefined,
    {},
    {
      serviceAccounts: ['db', 'build.robot'],
      ports: [
        { name: 'pg', port: 5432 },
        { port: 9187, protocol: 'http' },
      ],
      mtls: 'strict',
      proxy: 'builtin',
    },
    { upstreams: [{ service: 'cache', namespace: 'x', localPort: 6380, port: 6379 }], config: { a: 'b' } },
  ])('is accepted: %j', (spec) => {
    expect(check(spec)).toEqual([]);
  });

  test.each<[string, unknown, string[]]>([
    ['of the wrong type', 'x', ['spec: is a string; write an object']],
    [
      'with an unknown field',
      { port: 1 },
      [
        'spec.port: is not a field of this version; remove it, or look for its right spelling with kubectl explain',
      ],
    ],
    [
      'with one ServiceAccount twice',
      { serviceAccounts: ['a', 'a'] },
      ['spec.serviceAccounts[1]: "a" is there already; remove one'],
    ],
    [
      'with a bad ServiceAccount',
      { serviceAccounts: ['A'] },
      ['spec.serviceAccounts[0]: "A" has a character that is not allowed here'],
    ],
    [
      'with a port twice',
      { ports: [{ port: 80 }, { port: 80 }] },
      ['spec.ports[1].port: port 80 is there already; remove one'],
    ],
    [
      'with a port name twice',
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'a', port: 81 },
        ],
      },
      ['spec.ports[1].name: the name "a" is there already; write another one'],
    ],
    [
      'with a port of the sidecar',
      { ports: [{ port: 15020 }] },
      [
        'spec.ports[0].port: 15020 belongs to the sidecar itself; let the application listen on another port, not 20000, 15001, 15000, 15020, 8500, 8600',
      ],
    ],
    ['with port 0', { ports: [{ port: 0 }] }, ['spec.ports[0].port: is too small; the least is 1']],
    [
      'with port 65536',
      { ports: [{ port: 65536 }] },
      ['spec.ports[0].port: is too large; the most is 65535'],
    ],
    ['with a port as text', { ports: [{ port: '80' }] }, ['spec.ports[0].port: is a string; write a number']],
    [
      'with an unknown protocol',
      { ports: [{ port: 80, protocol: 'udp' }] },
      ['spec.ports[0].protocol: "udp" is not known; write "tcp" or "http"'],
    ],
    [
      'with a local port twice',
      {
        upstreams: [
          { service: 'a', localPort: 9000 },
          { service: 'b', localPort: 9000 },
        ],
      },
      ['spec.upstreams[1].localPort: local port 9000 leads somewhere already; write another one'],
    ],
    [
      'with a local port of the sidecar',
      { upstreams: [{ service: 'a', localPort: 20000 }] },
      [
        'spec.upstreams[0].localPort: local port 20000 belongs to the sidecar itself; write another one, not 20000, 15001, 15000, 15020, 8500, 8600',
      ],
    ],
    [
      'with a privileged local port',
      { upstreams: [{ service: 'a', localPort: 80 }] },
      [
        'spec.upstreams[0].localPort: local port 80 needs a privilege that the sidecar does not have; write one from 1024 to 65535',
      ],
    ],
    [
      'with a local port of its own application',
      { ports: [{ port: 5432 }], upstreams: [{ service: 'a', localPort: 5432 }] },
      [
        'spec.upstreams[0].localPort: the application itself listens on 5432 (spec.ports); write another local port',
      ],
    ],
    [
      'with an upper case upstream',
      { upstreams: [{ service: 'A', localPort: 9000 }] },
      ['spec.upstreams[0].service: "A" has a character that is not allowed here'],
    ],
    [
      'with a mode of mTLS that is none',
      { mtls: 'off' },
      ['spec.mtls: "off" is not known; write "strict" or "permissive"'],
    ],
    [
      'with a proxy of later',
      { proxy: 'envoy' },
      ['spec.proxy: "envoy" is not available in this version; write "builtin", or leave it out'],
    ],
    [
      'with a proxy that is none',
      { proxy: 'nginx' },
      ['spec.proxy: "nginx" is not known; write "builtin", "native", "haproxy" or "envoy"'],
    ],
    ['with config of the wrong type', { config: { a: 1 } }, ['spec.config.a: is a number; write a string']],
  ])('is refused %s', (_what, spec, messages) => {
    expect(check(spec)).toEqual(messages);
  });

  test("is refused under a name that cannot be a service's", () => {
    expect(check({}, 'db.shop')).toEqual([
      'metadata.name: service name "db.shop": only a-z, 0-9 and "-" are allowed, with a letter or digit at both ends',
    ]);
    expect(check({}, 'mesh-operator', 'mesh')[0]).toContain("is the mesh's own operator");
    expect(check({}, 'mesh-operator', 'shop')).toEqual([]);
  });

  test('warns of identities that several can take', () => {
    const named = (name: string, serviceAccounts?: string[]) => ({
      metadata: { name, namespace: 'shop' },
      spec: serviceAccounts ? { serviceAccounts } : {},
    });
    expect(meshServiceWarnings(named('db'), [named('db'), named('web')])).toEqual([]);
    expect(meshServiceWarnings(named('db'), [named('web', ['db'])])).toEqual([
      "pods of ServiceAccount db may also be web: these services can take each other's identity; give each a ServiceAccount of its own",
    ]);
    expect(meshServiceWarnings(named('db', []), [])[0]).toContain('no workload can be this service');
    expect(meshServiceWarnings(named('db', ['default']), [])[0]).toContain('every pod of the namespace');
  });

  test('never makes the check fail, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (spec, other) => {
        check(spec);
        check(other);
      }),
      { numRuns: 1000 },
    );
  });
});

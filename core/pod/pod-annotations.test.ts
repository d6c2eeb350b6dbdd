import fc from 'fast-check';

import { ANNOTATIONS } from '../constants.ts';
import { readPodAnnotations } from './pod-annotations.ts';

const faultsOf = (annotations: Record<string, string>) =>
  readPodAnnotations(annotations).faults.map(({ field, message }) => `${field}: ${message}`);

describe('the annotations of a pod', () => {
  test('are all read', () => {
    const { value, faults } = readPodAnnotations({
      'mesh/inject': 'true',
      'mesh/service': 'web',
      'mesh/upstreams': 'db:9191, cache.shop:6380,db.shop:9192:5432',
      'mesh/transparent': 'false',
      'mesh/skip-inbound-ports': '22,8081-8083',
      'mesh/proxy-protocol-ports': '8080, 5432',
      'mesh/skip-outbound-ports': '25',
      'mesh/skip-outbound-cidrs': '169.254.169.254,10.0.0.0/8, fd00::/8',
      'mesh/log-level': 'debug',
      'mesh/cpu-request': '50m',
      'mesh/cpu-limit': '0.5',
      'mesh/memory-request': '100Mi',
      'mesh/memory-limit': '1Gi',
      'mesh/drain-seconds': '25',
      'mesh/cores': '2',
      'mesh/status': '{}',
      'other.example/x': 'y',
    });
    expect(faults).toEqual([]);
    expect(value).toEqual({
      inject: true,
      upstreams: [
        { service: 'db', localPort: 9191 },
        { service: 'cache', namespace: 'shop', localPort: 6380 },
        { service: 'db', namespace: 'shop', localPort: 9192, port: 5432 },
      ],
      transparent: false,
      skipInboundPorts: [22, 8081, 8082, 8083],
      proxyProtocolPorts: [5432, 8080],
      skipOutboundPorts: [25],
      skipOutboundCidrs: ['169.254.169.254/32', '10.0.0.0/8', 'fd00::/8'],
      logLevel: 'debug',
      cpuRequest: '50m',
      cpuLimit: '0.5',
      memoryRequest: '100Mi',
      memoryLimit: '1Gi',
      drainSeconds: 25,
      cores: 2,
    });
  });

  test('may all be absent', () => {
    expect(readPodAnnotations({})).toEqual({
      value: {
        upstreams: [],
        transparent: true,
        skipInboundPorts: [],
        proxyProtocolPorts: [],
        skipOutboundPorts: [],
        skipOutboundCidrs: [],
      },
      faults: [],
    });
  });

  test.each([
    ['inject', 'yes', '"yes" is neither; write "true" or "false"'],
    ['transparent', 'TRUE', '"TRUE" is neither; write "true" or "false"'],
    ['transparent', '', '"" is neither; write "true" or "false"'],
    ['upstreams', 'db', '"db" is not a valid upstream; write service:localPort'],
    ['upstreams', ':9191', '":9191" is not a valid upstream; write service:localPort'],
    ['upstreams', 'db:9191:1:2', 'is not a valid upstream; write service:localPort'],
    ['upstreams', 'db.shop.svc:9191', 'is not a valid upstream; write service:localPort'],
    ['upstreams', 'DB:9191', 'upper case is not allowed; write "db"'],
    ['upstreams', 'db.SHOP:9191', 'upper case is not allowed; write "shop"'],
    ['upstreams', '*:9191', 'a wildcard is not allowed here; write a whole name'],
    ['upstreams', 'db:', '"db:" is not a valid upstream'],
    ['upstreams', 'db:x', 'local port "x" is not a valid port; write a number from 1024 to 65535'],
    ['upstreams', 'db:99999', 'local port "99999" is not a valid port'],
    ['upstreams', 'db:9191:0', 'port "0" is not a valid port; write a number from 1 to 65535'],
    ['upstreams', 'db:80', 'local port 80 needs a privilege'],
    ['upstreams', 'db:15001', 'local port 15001 belongs to the sidecar itself'],
    ['upstreams', 'db:9191,cache:9191', 'local port 9191 leads to "db" already; write another local port'],
    ['upstreams', 'db:9191,', '"" is not a valid upstream'],
    ['upstreams', 'd:1025,'.repeat(65), 'more than 64 entries'],
    ['skipInboundPorts', 'http', '"http" is not a valid port; write numbers from 1 to 65535'],
    ['skipInboundPorts', '0', '"0" is not a valid port'],
    ['skipInboundPorts', '22;23', 'is not a valid port'],
    ['proxyProtocolPorts', 'v2', '"v2" is not a valid port; write numbers from 1 to 65535'],
    ['proxyProtocolPorts', '20000', '20000 belongs to the sidecar itself; write ports of the application'],
    ['proxyProtocolPorts', '15020', '15020 belongs to the sidecar itself'],
    ['skipOutboundPorts', '90-80', '"90-80" runs backwards; write "80-90"'],
    ['skipOutboundPorts', '1-2-3', 'is not a valid port'],
    ['skipOutboundPorts', '1-65535', 'names more than 128 ports'],
    ['skipOutboundPorts', '1,'.repeat(3000), 'is longer than 4096 characters'],
    [
      'skipOutboundCidrs',
      'example.org',
      '"example.org" is not a valid address block; write such as "10.0.0.0/8"',
    ],
    ['skipOutboundCidrs', '10.0.0.0/33', 'the prefix length goes from 0 to 32'],
    ['skipOutboundCidrs', '10.0.0.0/8/8', 'is not a valid address block'],
    [
      'skipOutboundCidrs',
      '10.1.2.3/8',
      'has bits set after its prefix; write "10.0.0.0/8" for the block, or "10.1.2.3" for one address',
    ],
    ['skipOutboundCidrs', 'fd00::1/8', 'write "fd00::/8" for the block'],
    ['skipOutboundCidrs', 'fe80::1%eth0', 'is not a valid address block'],
    ['logLevel', 'verbose', '"verbose" is unknown; write "debug", "info", "warn", "error" or "silent"'],
    ['cpuRequest', 'much', '"much" is not a valid amount of CPU; write thousandths of a core such as "100m"'],
    ['cpuRequest', '0', 'is not a valid amount of CPU'],
    ['cpuLimit', '-1', 'is not a valid amount of CPU'],
    ['memoryRequest', '128MB', '"128MB" is not a valid amount of memory; write such as "128Mi"'],
    ['memoryRequest', '64m', '"64m" means thousandths of a byte; write "64Mi" for mebibytes'],
    ['memoryLimit', '32Mi', '"32Mi" is too little for the sidecar; write at least "64Mi"'],
    ['memoryLimit', '128', 'is too little for the sidecar'],
    ['drainSeconds', '5s', '"5s" is not a valid number of seconds; write a whole number from 0 to 86400'],
    ['drainSeconds', '-1', 'is not a valid number of seconds'],
    ['drainSeconds', '1.5', 'is not a valid number of seconds'],
    ['drainSeconds', '100000', 'is not a valid number of seconds'],
    ['cores', '0', '"0" is not a valid number of cores; write a whole number from 1 to 16, such as "2"'],
    ['cores', '17', 'is not a valid number of cores'],
    ['cores', '1.5', 'is not a valid number of cores'],
    ['cores', 'auto', 'is not a valid number of cores'],
  ] as const)('%s: %j is refused', (key, text, message) => {
    const faults = readPodAnnotations({ [ANNOTATIONS[key]]: text }).faults;
    expect(faults.length).toBeGreaterThan(0);
    expect(new Set(faults.map(({ field }) => field))).toEqual(new Set([ANNOTATIONS[key]]));
    expect(faults.map((fault) => fault.message).join('\n')).toContain(message);
  });

  test('may not ask for more than they allow', () => {
    expect(faultsOf({ 'mesh/cpu-request': '2', 'mesh/cpu-limit': '500m' })).toEqual([
      'mesh/cpu-request: "2" is more than mesh/cpu-limit "500m"; write at most that',
    ]);
    expect(faultsOf({ 'mesh/memory-request': '1Gi', 'mesh/memory-limit': '128Mi' })).toEqual([
      'mesh/memory-request: "1Gi" is more than mesh/memory-limit "128Mi"; write at most that',
    ]);
  });

  test('may not ask for more cores than their memory is enough for', () => {
    expect(faultsOf({ 'mesh/cores': '4', 'mesh/memory-limit': '128Mi' })).toEqual([
      'mesh/memory-limit: "128Mi" is too little for a sidecar on 4 cores (mesh/cores); write at least "256Mi"',
    ]);
    expect(faultsOf({ 'mesh/cores': '2', 'mesh/memory-limit': '128Mi' })).toEqual([]);
  });

  test('may not skip a port that expects a PROXY protocol header', () => {
    const ports = { 'mesh/proxy-protocol-ports': '8080,5432' };
    expect(faultsOf({ ...ports, 'mesh/skip-inbound-ports': '5400-5500' })).toEqual(
      expect.arrayContaining([
        'mesh/proxy-protocol-ports: 5432 is in mesh/skip-inbound-ports too: the sidecar leaves it alone, so that every caller could write the header itself; remove it from one of the two',
      ]),
    );
    expect(faultsOf({ ...ports, 'mesh/skip-inbound-ports': '9090' })).toEqual([]);
  });

  test('are not passed over when mistyped', () => {
    expect(faultsOf({ 'mesh/upstream': 'db:9191' })).toEqual([
      'mesh/upstream: unknown annotation; did you mean mesh/upstreams?',
    ]);
    expect(faultsOf({ 'mesh/colour': 'red' })[0]).toContain('known are mesh/inject, mesh/service');
  });

  test('have all their faults told at once', () => {
    const faults = faultsOf({
      'mesh/transparent': '1',
      'mesh/log-level': 'x',
      'mesh/drain-seconds': 'y',
      'mesh/upstreams': 'A:1,B:2',
    });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'mesh/upstreams',
      'mesh/upstreams',
      'mesh/upstreams',
      'mesh/upstreams',
      'mesh/transparent',
      'mesh/log-level',
      'mesh/drain-seconds',
    ]);
  });

  test('never make the reader fail, whatever they say, nor say much in answer', () => {
    const key = fc.oneof(
      fc.constantFrom(...Object.values(ANNOTATIONS)),
      fc.string(),
      fc.constant('__proto__'),
    );
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[-0-9a-z.:,/]{0,60}$/));
    fc.assert(
      fc.property(fc.dictionary(key, text), (annotations) => {
        for (const { message } of readPodAnnotations(annotations).faults) {
          expect(message.length).toBeLessThan(1000);
          expect(message).not.toMatch(/[\u0000-\u001f]/);
        }
      }),
    );
  });
});

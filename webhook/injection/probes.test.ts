import { rewriteProbes } from './probes.ts';
import type { PlacedContainer } from './pod.ts';

const placed = (
  container: object,
  list: 'containers' | 'initContainers' = 'containers',
): PlacedContainer => ({
  container: { name: 'app', ports: [{ name: 'http', containerPort: 8080 }], ...container },
  path: ['spec', list, 0],
});
const rewrite = (container: object, list?: 'containers' | 'initContainers') =>
  rewriteProbes([placed(container, list)], 'nonce');

/** The secret part is the hash of nonce, container and kind. */
const LIVENESS = 'app/liveness-b13144a0a16babb6129b8a4a2a01415d';

describe('a probe', () => {
  test.each([
    ['httpGet', { httpGet: { port: 80 } }, { httpGet: { port: 80, scheme: 'HTTP' } }],
    [
      'httpGet by name',
      { httpGet: { port: 'http', path: '/x?y=1' } },
      { httpGet: { path: '/x?y=1', port: 8080, scheme: 'HTTP' } },
    ],
    ['httpGet with digits', { httpGet: { port: '81' } }, { httpGet: { port: 81, scheme: 'HTTP' } }],
    [
      'HTTPS with headers',
      { httpGet: { port: 443, scheme: 'HTTPS', httpHeaders: [{ name: 'Host', value: 'a' }, { name: 'X' }] } },
      {
        httpGet: {
          port: 443,
          scheme: 'HTTPS',
          httpHeaders: [
            { name: 'Host', value: 'a' },
            { name: 'X', value: '' },
          ],
        },
      },
    ],
    ['tcpSocket', { tcpSocket: { port: 'http' } }, { tcpSocket: { port: 8080 } }],
    ['grpc', { grpc: { port: 9000 } }, { grpc: { port: 9000 } }],
    ['grpc with a service', { grpc: { port: 9000, service: 's' } }, { grpc: { port: 9000, service: 's' } }],
  ])('%s is asked by the sidecar', (_what, action, original) => {
    expect(rewrite({ livenessProbe: { ...action, periodSeconds: 7, timeoutSeconds: 4 } })).toEqual({
      changes: [
        {
          path: ['spec', 'containers', 0, 'livenessProbe'],
          value: {
            periodSeconds: 7,
            timeoutSeconds: 5,
            httpGet: { path: `/probe/${LIVENESS}`, port: 15020, scheme: 'HTTP' },
          },
        },
      ],
      originals: { [LIVENESS]: { ...original, timeoutSeconds: 4 } },
      warnings: [],
    });
  });

  test.each([
    ['exec', { exec: { command: ['x'] } }],
    ['another host', { httpGet: { host: 'example.org', port: 80 } }],
    ['another host by TCP', { tcpSocket: { host: '10.0.0.1', port: 80 } }],
    ['none', null],
  ])('stays as it is: %s', (_what, probe) => {
    expect(rewrite({ readinessProbe: probe })).toEqual({ changes: [], originals: {}, warnings: [] });
  });

  test.each([
    ['httpGet', { httpGet: { port: 'metrics' } }, 'port "metrics" is not a port of this container'],
    ['tcpSocket', { tcpSocket: { port: 0 } }, 'port 0 is not a port of this container'],
    ['grpc', { grpc: { port: 70000 } }, 'port 70000 is not a port of this container'],
    [
      'a header',
      { httpGet: { port: 80, httpHeaders: [{ name: 'a b', value: '' }] } },
      'has a header or a path that cannot be sent in HTTP',
    ],
  ])('that can never succeed stays as it is, with a warning: %s', (_what, probe, warning) => {
    const { changes, warnings } = rewrite({ startupProbe: probe });
    expect(changes).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining(`container app, startupProbe: ${warning}`)]);
  });

  test('is reached under a path that others cannot guess, which another admission does not repeat', () => {
    const container = {
      livenessProbe: { tcpSocket: { port: 1 } },
      readinessProbe: { httpGet: { port: 1, httpHeaders: [{ name: 'Authorization', value: 'Bearer x' }] } },
      startupProbe: { grpc: { port: 1 } },
    };
    const { originals } = rewrite(container);
    const keys = Object.keys(originals);
    expect(keys).toEqual(
      ['liveness', 'readiness', 'startup'].map(
        (kind) => expect.stringMatching(new RegExp(`^app/${kind}-[0-9a-f]{32}$`)) as string,
      ),
    );
    expect(new Set(keys.map((key) => key.slice(-32))).size).toBe(3);
    const others = Object.keys(rewriteProbes([placed(container)], 'another nonce').originals);
    expect(others.filter((key) => keys.includes(key))).toEqual([]);
    expect(rewrite(container).originals).toEqual(originals);
  });

  test('keeps its own time, and one second more for the way', () => {
    const { changes, originals } = rewrite({ startupProbe: { tcpSocket: { port: 1 } } });
    expect(changes[0]?.value).toMatchObject({ timeoutSeconds: 2 });
    expect(Object.values(originals)[0]).toMatchObject({ timeoutSeconds: 1 });
  });

  test('of an init container counts only when that is a sidecar', () => {
    const container = { startupProbe: { tcpSocket: { port: 1 } } };
    expect(rewrite(container, 'initContainers').changes).toEqual([]);
    expect(rewrite({ ...container, restartPolicy: 'Always' }, 'initContainers').changes).toHaveLength(1);
  });
});

describe('a hook', () => {
  test('by HTTP goes through the sidecar under a path that nobody can guess', () => {
    const hook = { httpGet: { path: '/quit', port: 'http', scheme: 'HTTP' } };
    const { changes, originals } = rewrite({ lifecycle: { preStop: hook, postStart: hook } });
    const paths = changes.map(({ value }) => (value as { path: string }).path);
    expect(paths).toEqual([
      expect.stringMatching(/^\/probe\/app\/post-start-[0-9a-f]{32}$/),
      expect.stringMatching(/^\/probe\/app\/pre-stop-[0-9a-f]{32}$/),
    ]);
    expect(Object.keys(originals).map((key) => `/probe/${key}`)).toEqual(paths);
    expect(Object.values(originals)[0]).toEqual({
      httpGet: { path: '/quit', port: 8080, scheme: 'HTTP' },
      timeoutSeconds: 3600,
    });
    const other = rewriteProbes([placed({ lifecycle: { preStop: hook } })], 'another nonce');
    expect(Object.keys(originals)).not.toContain(Object.keys(other.originals)[0]);
  });

  test.each([
    ['exec', { exec: { command: ['x'] } }],
    ['sleep', { sleep: { seconds: 1 } }],
    ['tcpSocket, which Kubernetes never runs', { tcpSocket: { port: 1 } }],
    ['another host', { httpGet: { host: 'example.org', port: 80 } }],
  ])('stays as it is: %s', (_what, hook) => {
    expect(rewrite({ lifecycle: { preStop: hook } })).toEqual({ changes: [], originals: {}, warnings: [] });
  });
});

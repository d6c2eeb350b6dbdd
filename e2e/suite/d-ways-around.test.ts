import { foreignCertificate, meshCertificate } from '../kit/certificates.ts';
import type { PeerCertificate } from '../kit/certificates.ts';
import { apply, exec, execOk, kubectl, logs } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { logLine } from '../kit/log-lines.ts';
import { readyPod, sidecarOf } from '../kit/pods.ts';
import { idleClient, intention, namespace, workload } from '../kit/workload.ts';

const NS = 'e2e-around';
const DECLARED = 7000;
const UNDECLARED = 7001;

interface PeerResponse {
  readonly handshake: boolean;
  readonly how: string;
  readonly verdict?: { readonly ok: boolean; readonly code?: string; readonly reason?: string };
  readonly data?: string;
}

describe('every way around the mesh fails and is logged', () => {
  let db: PodRef & { readonly ip: string };
  let outsider: PodRef;
  let allowed: PeerCertificate;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...workload({
        namespace: NS,
        name: 'db',
        command: [
          'sh',
          '-c',
          `node /toolbox/tcp-server.mjs ${UNDECLARED} echo & exec node /toolbox/tcp-server.mjs ${DECLARED} echo`,
        ],
        ports: [DECLARED],
        probe: false,
      }),
      ...idleClient({ namespace: NS, name: 'outsider', meshed: false }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
      intention({ namespace: NS, source: 'thief', destination: 'db', action: 'deny' }),
    );
    db = await readyPod(NS, 'db');
    outsider = await readyPod(NS, 'outsider');
    allowed = await meshCertificate({ namespace: NS, service: 'web' });
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  async function asPeer(request: object, port = 20000): Promise<PeerResponse> {
    const { stdout, stderr } = await exec(outsider, ['node', '/toolbox/stream.mjs', db.ip, String(port)], {
      input: `${JSON.stringify(request)}\n`,
    });
    try {
      return JSON.parse(stdout) as PeerResponse;
    } catch {
      throw new Error(`no answer: ${stdout}${stderr}`);
    }
  }

  const stream = (certificate: Partial<PeerCertificate>, port = DECLARED): object => ({
    ...certificate,
    alpn: ['mesh-stream/1'],
    header: { port, originalDestination: `${db.ip}:${port}` },
  });

  const refusedBecause = (reason: string): Promise<unknown> =>
    logLine(
      sidecarOf(db),
      `refused: ${reason}`,
      (line) => line.msg === 'connection refused' && line.reason === reason,
    );

  const appConnections = async (): Promise<number> =>
    (await logs(db)).split('"event":"connection"').length - 1;

  test('plaintext to the pod IP and the application port, from a pod without a sidecar', async () => {
    const { code, stdout } = await exec(outsider, ['node', '/toolbox/try.mjs', db.ip, String(DECLARED)]);
    expect({ code, stdout }).toMatchObject({ code: 1 });
    await refusedBecause('plaintext');
    expect(await appConnections()).toBe(0);
  });

  test('plaintext through the Service, from a pod without a sidecar', async () => {
    expect((await exec(outsider, ['node', '/toolbox/try.mjs', 'db', String(DECLARED)])).code).toBe(1);
    expect(await appConnections()).toBe(0);
  });

  test('TLS without a certificate', async () => {
    const { stdout } = await exec(outsider, ['openssl', 's_client', '-connect', `${db.ip}:20000`, '-quiet'], {
      input: 'ping\n',
    });
    expect(stdout).not.toContain('ping');
    await refusedBecause('no-client-certificate');
    expect(await appConnections()).toBe(0);
  });

  test('TLS 1.2', async () => {
    const answer = await asPeer({ ...stream(allowed), maxVersion: 'TLSv1.2' });
    expect(answer.handshake).toBe(false);
  });

  test('the certificate of a foreign authority, with the right name in it', async () => {
    const answer = await asPeer(stream(await foreignCertificate({ namespace: NS, service: 'web' })));
    expect(answer.verdict?.ok ?? false).toBe(false);
    expect(answer.data).toBeUndefined();
    await refusedBecause('untrusted-certificate');
    expect(await appConnections()).toBe(0);
  });

  test('an expired certificate of the right authority', async () => {
    const answer = await asPeer(
      stream(await meshCertificate({ namespace: NS, service: 'web' }, { endedSecondsAgo: 5 })),
    );
    expect(answer.verdict?.ok ?? false).toBe(false);
    await refusedBecause('expired-certificate');
    expect(await appConnections()).toBe(0);
  });

  test('the right authority, but a service that is denied', async () => {
    const answer = await asPeer(stream(await meshCertificate({ namespace: NS, service: 'thief' })));
    expect(answer.verdict).toMatchObject({
      ok: false,
      code: 'denied',
      reason: expect.stringContaining(`${NS}/thief-to-db`),
    });
    await refusedBecause('denied');
    expect(await appConnections()).toBe(0);
  });

  test('an allowed service, but a port that is not declared', async () => {
    const answer = await asPeer(stream(allowed, UNDECLARED));
    expect(answer.verdict).toMatchObject({ ok: false, code: 'port-not-declared' });
    await refusedBecause('port-not-declared');
    expect((await exec(outsider, ['node', '/toolbox/try.mjs', db.ip, String(UNDECLARED)])).code).toBe(1);
    expect(await appConnections()).toBe(0);
  });

  test("the sidecar's own ports from another pod: only health, metrics and probes answer", async () => {
    for (const port of [15000, 15001, 8500]) {
      const { stdout } = await exec(outsider, [
        'curl',
        '-s',
        '-m',
        '3',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        `http://${db.ip}:${port}/`,
      ]);
      expect(`${port}: ${stdout}`).toBe(`${port}: 000`);
    }
    const status = (path: string, method = 'GET'): Promise<string> =>
      execOk(outsider, [
        'curl',
        '-s',
        '-m',
        '3',
        '-X',
        method,
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        `http://${db.ip}:15020${path}`,
      ]);
    expect(await status('/readyz')).toBe('200');
    expect(await status('/metrics')).toBe('200');
    for (const path of [
      '/config',
      '/connections',
      '/policy',
      '/certificate',
      '/quit',
      '/probe/db/nothing',
      '/../config',
    ]) {
      expect(`${path}: ${await status(path)}`).toBe(`${path}: 404`);
    }
    expect(['404', '405']).toContain(await status('/quit', 'POST'));
  });

  test('after all this the application has seen no connection; the allowed service then reaches it', async () => {
    expect(await appConnections()).toBe(0);
    expect(await asPeer(stream(allowed))).toMatchObject({
      how: 'data',
      verdict: { ok: true },
      data: 'ping\n',
    });
    expect(await appConnections()).toBe(1);
  });
});

import { eventually } from '../kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { report } from '../kit/measure.ts';
import { readyPod } from '../kit/pods.ts';
import { PROTOCOLS, serverOptions } from '../kit/protocols.ts';
import type { Protocol } from '../kit/protocols.ts';
import { idleClient, intention, namespace, workload } from '../kit/workload.ts';

const NS = 'e2e-protocols';
const GIB = 2 ** 30;

describe('real programs through the mesh', () => {
  let client: PodRef;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...PROTOCOLS.flatMap((protocol) => workload({ namespace: NS, ...serverOptions(protocol) })),
      ...idleClient({
        namespace: NS,
        name: 'client',
        annotations: { 'mesh/upstreams': PROTOCOLS.map(({ name, local }) => `${name}:${local}`).join(',') },
      }),
      intention({ namespace: NS, source: 'client', destination: '*', action: 'allow' }),
    );
    client = await readyPod(NS, 'client');
    for (const { name } of PROTOCOLS) await readyPod(NS, name);
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  const answers = ({ client: command, expected }: Protocol, host: string, port: number): Promise<string> =>
    eventually(`${host}:${port} answers`, async () => {
      const { stdout, stderr } = await exec(client, command(host, port));
      if (expected.test(stdout)) return stdout;
      throw new Error(stdout + stderr);
    });

  test.each(PROTOCOLS)('$name by its name, through transparent redirection', async (protocol) => {
    expect(await answers(protocol, protocol.name, protocol.port)).toMatch(protocol.expected);
  });

  test.each(PROTOCOLS)('$name at localhost, through an explicit upstream port', async (protocol) => {
    expect(await answers(protocol, '127.0.0.1', protocol.local)).toMatch(protocol.expected);
  });

  test('a transfer of 1 GiB arrives intact, in each direction', async () => {
    const up = await execOk(client, ['node', '/toolbox/send-digest.mjs', 'half-close', '7000', String(GIB)], {
      timeoutMs: 300_000,
    });
    const down = await execOk(client, ['node', '/toolbox/fetch-source.mjs', 'source', '7000', String(GIB)], {
      timeoutMs: 300_000,
    });
    for (const [direction, text] of [
      ['to the server', up],
      ['to the client', down],
    ] as const) {
      const { ok, ms } = JSON.parse(text) as { ok: boolean; ms: number };
      expect(ok).toBe(true);
      report(`1 GiB ${direction}`, { seconds: ms / 1000, megabytesPerSecond: Math.round(GIB / 1e3 / ms) });
    }
  });
});

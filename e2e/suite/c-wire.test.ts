import { Background } from '../kit/background.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { readyPod } from '../kit/pods.ts';
import { idleClient, intention, namespace, workload } from '../kit/workload.ts';

const NS = 'e2e-wire';
const MARKER = 'MARKER-of-the-application-3f9c';
/** ServerHello's supported_versions extension (RFC 8446 4.2.1) choosing 0x0304, TLS 1.3. */
const TLS13_CHOSEN = '002b00020304';

describe('on the wire between two pods', () => {
  let web: PodRef;
  let db: PodRef;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...workload({
        namespace: NS,
        name: 'db',
        command: ['node', '/toolbox/tcp-server.mjs', '7000', 'echo'],
        ports: [7000],
        pod: {
          containers: [
            {
              name: 'db',
              image: 'mesh.dev/e2e-toolbox:e2e',
              imagePullPolicy: 'Never',
              command: ['node', '/toolbox/tcp-server.mjs', '7000', 'echo'],
              ports: [{ containerPort: 7000 }],
            },
            {
              name: 'capture',
              image: 'mesh.dev/e2e-toolbox:e2e',
              imagePullPolicy: 'Never',
              command: ['sleep', 'infinity'],
              securityContext: { runAsUser: 0, capabilities: { add: ['NET_RAW', 'NET_ADMIN'] } },
            },
          ],
        },
      }),
      ...idleClient({ namespace: NS, name: 'web' }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
    );
    web = await readyPod(NS, 'web');
    db = await readyPod(NS, 'db');
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  test("the bytes are TLS 1.3 and the application's own words never appear", async () => {
    const capture = { ...db, container: 'capture' };
    const wire = new Background(capture, [
      'tcpdump',
      '-i',
      'eth0',
      '-U',
      '-s',
      '0',
      '-w',
      '/tmp/wire.pcap',
      'tcp',
    ]);
    const loopback = new Background(capture, [
      'tcpdump',
      '-i',
      'lo',
      '-U',
      '-s',
      '0',
      '-w',
      '/tmp/lo.pcap',
      'tcp',
    ]);
    await eventually('both captures listen', () =>
      wire.output.includes('listening') && loopback.output.includes('listening') ? true : undefined,
    );

    await eventually('the marker makes the round trip', async () => {
      const { stdout } = await exec(web, ['node', '/toolbox/try.mjs', 'db', '7000', `${MARKER}\n`]);
      return stdout.includes(`"answer":"${MARKER}`) ? true : undefined;
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));

    const hex = async (file: string): Promise<string> =>
      execOk(capture, ['python3', '-c', `print(open('${file}','rb').read().hex())`]);
    const marker = Buffer.from(MARKER).toString('hex');
    const onWire = await hex('/tmp/wire.pcap');
    expect(onWire).toContain(TLS13_CHOSEN);
    expect(onWire.includes(marker)).toBe(false);
    // The same search finds the marker behind the sidecar, so it would have found it on the wire.
    expect((await hex('/tmp/lo.pcap')).includes(marker)).toBe(true);
    wire.stop();
    loopback.stop();
  });
});

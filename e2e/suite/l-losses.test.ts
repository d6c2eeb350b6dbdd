import { PORTS } from '#core/constants.ts';

import { Background } from '../kit/background.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, kubectl } from '../kit/kubectl.ts';
import { logLine } from '../kit/log-lines.ts';
import { TUNNEL } from '../kit/mesh.ts';
import { peersAt, plugInCable, pullCable, sidecarPid } from '../kit/pod-process.ts';
import { readyPod, sidecarOf } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace } from '../kit/workload.ts';

const NS = 'e2e-losses';
/** Silence after which a peer is given up, and what a busy machine adds. */
const SILENT_MS = 15_000;
const SLACK_MS = 10_000;
/** How soon the kernel tells the other side that a process is gone, with the same. */
const AT_ONCE_MS = 5_000;

type Pod = Awaited<ReturnType<typeof readyPod>>;

describe('a sidecar or its network is lost while connections are open', () => {
  const held: Background[] = [];
  let web: Pod;
  let db: Pod;

  beforeAll(async () => {
    const server = (name: string): object[] => helloServer({ namespace: NS, name });
    const client = (name: string): object[] => idleClient({ namespace: NS, name });
    await apply(
      namespace(NS),
      ...[...server('db'), ...server('other'), ...client('web'), ...client('web-2')],
      ...['db', 'other'].map((destination) =>
        intention({ namespace: NS, source: '*', destination, action: 'allow' }),
      ),
    );
    web = await readyPod(NS, 'web');
    db = await readyPod(NS, 'db');
    await readyPod(NS, 'other');
  });

  afterEach(() => {
    for (const program of held.splice(0)) program.stop();
  });

  afterAll(async () => {
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  });

  const answers = (from: Pod, to: string): Promise<true> =>
    eventually(
      `${from.name} reaches ${to}`,
      async () =>
        (await exec(from, ['curl', '-sf', '-m', '3', '-o', '/dev/null', `http://${to}:8080/`])).code === 0 ||
        undefined,
      { timeoutMs: 60_000 },
    );

  /** A connection that asks again and again, and that has been answered. */
  async function hold(from: Pod, to: string): Promise<Background> {
    await answers(from, to);
    const program = new Background(from, ['node', '/toolbox/hold.mjs', to, '8080', 'http']);
    held.push(program);
    await program.event('first-answer');
    return program;
  }

  /** @returns how long after `since` it was told that its connection is gone, milliseconds */
  async function lostAfter(program: Background, since: number): Promise<number> {
    const { at } = await program.event('closed', { timeoutMs: SILENT_MS + SLACK_MS + 5_000 });
    return at - since;
  }

  const serverHasNo = (client: Pod, timeoutMs: number): Promise<true> =>
    eventually(
      `no connection of ${client.name} at the server's sidecar`,
      async () => !(await peersAt(pidOf(db), PORTS.inbound)).includes(client.ip) || undefined,
      { timeoutMs, everyMs: 200 },
    );

  const isOpen = (program: Background): boolean => !program.events.some(({ event }) => event === 'closed');

  function pidOf(pod: Pod): number {
    const pid = sidecarPid(pod);
    if (pid === undefined) throw new Error(`the sidecar of ${pod.name} is not a process of this machine`);
    return pid;
  }

  test("the server's sidecar is killed: its connections end at once, others stay, and new ones work", async () => {
    const lost = await hold(web, 'db');
    const other = await hold(web, 'other');
    const since = Date.now();
    process.kill(pidOf(db), 'SIGKILL');
    expect(await lostAfter(lost, since)).toBeLessThan(AT_ONCE_MS);
    await answers(web, 'db');
    expect(isOpen(other)).toBe(true);
  }, 120_000);

  test("the client's sidecar is killed: the server is told at once, and other clients stay", async () => {
    const second = await readyPod(NS, 'web-2');
    const lost = await hold(second, 'db');
    const other = await hold(web, 'db');
    const since = Date.now();
    process.kill(pidOf(second), 'SIGKILL');
    expect(await lostAfter(lost, since)).toBeLessThan(AT_ONCE_MS);
    await serverHasNo(second, AT_ONCE_MS);
    expect(isOpen(other)).toBe(true);
    await answers(second, 'db');
  }, 120_000);

  test("the server's sidecar is stopped: connections end in time, others stay, and when it goes on all is well", async () => {
    const lost = await hold(web, 'db');
    const other = await hold(web, 'other');
    const pid = pidOf(db);
    const since = Date.now();
    process.kill(pid, 'SIGSTOP');
    try {
      if (TUNNEL) {
        expect(await lostAfter(lost, since)).toBeLessThan(SILENT_MS + SLACK_MS);
        await logLine(sidecarOf(web), 'the tunnel was lost', (line) => line['reason'] === 'tunnel-lost');
      }
      expect(isOpen(other)).toBe(true);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await answers(web, 'db');
  }, 120_000);

  test('the cable of the server is pulled: both sides notice in time, others stay, and plugged in again all is well', async () => {
    const lost = await hold(web, 'db');
    const other = await hold(web, 'other');
    const pid = pidOf(db);
    const since = Date.now();
    await pullCable(pid);
    try {
      if (TUNNEL) {
        expect(await lostAfter(lost, since)).toBeLessThan(SILENT_MS + SLACK_MS);
        await serverHasNo(web, SILENT_MS + SLACK_MS);
      }
      expect(isOpen(other)).toBe(true);
    } finally {
      await plugInCable(pid);
    }
    await answers(web, 'db');
  }, 120_000);
});

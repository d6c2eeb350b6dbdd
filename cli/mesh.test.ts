import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '#base/testing/free-port.fake.ts';
import { Http } from '#local/apiserver/contract/http.fake.ts';
import { DevProcess, MESH } from '#local/dev/dev-process.fake.ts';
import { kubeconfigIn } from '#local/dev/data-folder.ts';

/** The `mesh` command by its process: what it says, and with which exit code it ends. */
interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const folder = mkdtempSync(join(tmpdir(), 'mesh-cli-'));
/** Nothing of the developer's own is read. */
const env = { ...process.env, HOME: folder, KUBECONFIG: '' };
const PATIENCE_MS = 120_000;
let dev: DevProcess;
let port: number;

beforeAll(async () => {
  port = await freePort();
  dev = new DevProcess(join(folder, 'data'), port);
  const http = new Http(await dev.up());
  await http.post('/apis/mesh.dev/v1alpha1/namespaces/default/meshservices', {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'idle' },
    spec: { ports: [{ port: 80 }] },
  });
}, PATIENCE_MS);
afterAll(async () => {
  await dev.kill();
  rmSync(folder, { recursive: true, force: true });
}, PATIENCE_MS);

const mesh = (...args: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MESH, ...args], { env, timeout: PATIENCE_MS }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err }),
    );
  });
const run = (...args: string[]): Promise<Outcome> =>
  mesh('run', '--kubeconfig', kubeconfigIn(join(folder, 'data')), ...args);

describe('a wrong command line ends with 2 and says what is wrong', () => {
  test.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['dev', '--dat', 'x'], "unknown option '--dat'\n(Did you mean --data?)"],
    [
      ['dev', '--port', '70000'],
      "option '--port <number>' argument '70000' is invalid. Write a port from 1 to 65535.",
    ],
    [['run', '--', 'true'], "required option '--service <name>' not specified"],
    [['run', '--service', 'db'], "missing required argument 'command'"],
    [['run', '--service', 'Db', '--', 'true'], 'upper case is not allowed; write "db"'],
    [
      ['run', '--service', 'db', '--upstream', 'x', '--', 'true'],
      '"x" is not a valid upstream; write service:localPort, such as "db:9191"',
    ],
    [['run', '--service', 'db', '--wait', 'long', '--', 'true'], 'Write whole seconds.'],
  ] as const)(
    '%j',
    async (args, sentence) => {
      const { code, out, err } = await mesh(...args);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toContain(sentence);
      expect(err).toMatch(/^mesh: .*\(--help says what can be written\)\n$/s);
    },
    PATIENCE_MS,
  );

  test(
    'and no command at all shows what there is',
    async () => {
      const { code, err } = await mesh();
      expect(code).toBe(2);
      expect(err).toMatch(/Usage: mesh .*dev .*run /s);
    },
    PATIENCE_MS,
  );
});

describe('mesh dev that cannot be ends with 1 and says what to do', () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await mesh('dev', ...args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    return err;
  };

  test(
    'a second one on the same data',
    async () => {
      const data = join(folder, 'data');
      expect(await refused('--data', data, '--port', String(await freePort()))).toBe(
        `mesh: another mesh dev works with the data in ${data}: end it, or give this one another --data\n`,
      );
    },
    PATIENCE_MS,
  );

  test(
    'a port that is taken is named',
    async () => {
      expect(await refused('--ephemeral', '--port', String(port))).toBe(
        `mesh: port ${port} of 127.0.0.1 is taken by another process: end that one, or choose another with --port\n`,
      );
    },
    PATIENCE_MS,
  );

  test(
    'data where no folder can be',
    async () => {
      const file = join(folder, 'file');
      writeFileSync(file, 'something else');
      expect(await refused('--data', file)).toMatch(
        /^mesh: \S+ cannot be a folder for data .*: give another with --data\n$/,
      );
    },
    PATIENCE_MS,
  );
});

describe('mesh run that cannot join ends with 1 and says what to do', () => {
  test.each([
    [
      'a service nobody is',
      ['--upstream', 'nobody:19191', '--wait', '0'],
      'there is no service default/nobody in the mesh; start it, as a pod with the annotation mesh/inject: "true" or with: mesh run --namespace default --service nobody --port PORT -- COMMAND',
    ],
    [
      'a namespace that is not there',
      ['--namespace', 'nowhere'],
      'there is no namespace nowhere; make it with: kubectl create namespace nowhere',
    ],
  ] as const)(
    '%s',
    async (_what, args, sentence) => {
      expect(await run('--service', 'web', ...args, '--', 'true')).toEqual({
        code: 1,
        out: '',
        err: `mesh: ${sentence}\n`,
      });
    },
    PATIENCE_MS,
  );

  test(
    'no API server that is known, or none that answers',
    async () => {
      expect(await mesh('run', '--service', 'web', '--', 'true')).toEqual({
        code: 1,
        out: '',
        err: 'mesh: no API server is known: start one with mesh dev, or give --kubeconfig\n',
      });
      const nothing = join(folder, 'nothing');
      expect(await mesh('run', '--service', 'web', '--kubeconfig', nothing, '--', 'true')).toMatchObject({
        code: 1,
        err: expect.stringContaining(`mesh: the kubeconfig ${nothing} is of no use: ENOENT`),
      });
      const dead = join(folder, 'dead-kubeconfig');
      const server = `https://127.0.0.1:${await freePort()}`;
      writeFileSync(
        dead,
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Config',
          'current-context': 'a',
          contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
          clusters: [{ name: 'a', cluster: { server } }],
          users: [{ name: 'a', user: { token: 'x' } }],
        }),
      );
      const silent = await mesh('run', '--service', 'web', '--kubeconfig', dead, '--', 'true');
      expect(silent).toMatchObject({
        code: 1,
        err: expect.stringContaining(
          'the API server cannot be reached; is mesh dev up, or is --kubeconfig that of another cluster?',
        ),
      });
    },
    PATIENCE_MS,
  );
});

describe('mesh run', () => {
  test.each([
    ['passes the exit code of the command on', ['sh', '-c', 'exit 7'], 7, ''],
    ['gives what a signal ended the code a shell gives it', ['sh', '-c', 'kill -TERM $$'], 143, ''],
    [
      'says that there is no such command',
      ['no-such-command'],
      127,
      'mesh: there is no command "no-such-command"\n',
    ],
    [
      'says that it cannot be run',
      ['/etc/passwd'],
      126,
      'mesh: the command "/etc/passwd" cannot be run: spawn /etc/passwd EACCES\n',
    ],
  ] as const)(
    '%s',
    async (_what, command, code, err) => {
      expect(await run('--service', 'web', '--', ...command)).toEqual({ code, out: '', err });
    },
    PATIENCE_MS,
  );

  test(
    'says that an upstream has no instance, and runs the command',
    async () => {
      const upstream = `idle:${await freePort()}`;
      expect(await run('--service', 'web', '--upstream', upstream, '--', 'echo', 'ran')).toEqual({
        code: 0,
        out: 'ran\n',
        err: 'mesh: service default/idle has no ready instance now; connections to it fail until it has\n',
      });
    },
    PATIENCE_MS,
  );

  test(
    'told to end while it waits, ends with 130 and does not start the command',
    async () => {
      const args = [
        'run',
        '--kubeconfig',
        kubeconfigIn(join(folder, 'data')),
        '--service',
        'web',
        '--upstream',
        'later:19192',
        '--wait',
        '600',
        '--',
        'echo',
        'ran',
      ];
      const child = spawn(process.execPath, [MESH, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let out = '';
      child.stdout.on('data', (part) => (out += String(part)));
      const closed = new Promise((resolve) => child.once('close', resolve));
      await new Promise<void>((resolve) =>
        child.stderr.on('data', (part) => String(part).includes('waits for') && resolve()),
      );
      child.kill('SIGINT');
      expect([await closed, out]).toEqual([130, '']);
    },
    PATIENCE_MS,
  );
});

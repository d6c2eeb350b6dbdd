import { readFileSync } from 'node:fs';
import { mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { FakeClock, settle } from '#base/testing/clock.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { CONFIG_MAPS, MESH_CONFIGS } from '#kube/types.ts';
import { eventually } from '#base/testing/eventually.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import type { Svid } from '#pki/svid.ts';

import { createMetrics } from '../metrics/metrics.ts';
import { AnchorKeeper } from './anchor-keeper.ts';
import { readAnchor, verifyAnchor, writeAnchor } from './anchor.ts';
import { AuditFile } from './audit-file.ts';
import { CHAIN_BEGIN, nextLine } from './chain.ts';
import { runAudit } from './command.ts';
import { anchorMismatch } from './verify.ts';

/** What is known of an audit file outside of it, so that whoever holds the file cannot cut it off or write it again. */

const NAME = { namespace: 'mesh', name: 'mesh-audit' };
const OPERATOR = { namespace: 'mesh', service: 'mesh-operator' };

let folder: string;
let path: string;
let fake: FakeApiServer;
let clock: FakeClock;
let log: FakeLog;
let kit: ReturnType<typeof createMetrics>;
let pki: TestPki;
let identity: Svid;
const running: AuditFile[] = [];

beforeAll(async () => {
  pki = await TestPki.create({ now: Date.parse('2026-01-01T00:00:00Z') });
  identity = await pki.svid(OPERATOR, { notBefore: Date.parse('2025-12-31T00:00:00Z') });
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-anchor-'));
  path = join(folder, 'op-1.jsonl');
  fake = await FakeApiServer.started();
  fake.put(CONFIG_MAPS, { metadata: NAME });
  clock = new FakeClock();
  log = new FakeLog();
  kit = createMetrics();
});
afterEach(async () => {
  for (const file of running.splice(0)) await file.close();
  await fake.close();
  await rm(folder, { recursive: true });
});

function auditFile(at = path): AuditFile {
  const { metrics } = kit;
  const anchor = new AnchorKeeper(
    {
      ...{ api: fake.api, clock, log, metrics },
      identity: () => Promise.resolve(identity),
      mismatch: (known) => anchorMismatch(at, known),
    },
    { meshNamespace: 'mesh', file: basename(at) },
  );
  const parts = { path: at, replica: 'op-1', clock, log, metrics, anchor, open: () => open(at, 'a+', 0o600) };
  const file = new AuditFile(parts);
  running.push(file);
  return file;
}

/** A process's life: so many certificates, then its end. */
async function life(certificates: number): Promise<void> {
  const file = auditFile();
  file.start();
  for (let serial = 0; serial < certificates; serial += 1)
    file.record({ event: 'issued', serial: `S${serial}` });
  await file.close();
}

const anchors = () => fake.find(CONFIG_MAPS, NAME)?.data ?? {};
const anchored = () => readAnchor(anchors()['op-1.jsonl'] ?? '').seq;
const linesOf = async (): Promise<string[]> => (await readFile(path, 'utf8')).split('\n').slice(0, -1);

async function verify(...files: string[]): Promise<{ readonly code: number; readonly said: string }> {
  const [anchorFile, roots] = [join(folder, 'anchors.json'), join(folder, 'roots.pem')];
  await writeFile(anchorFile, JSON.stringify({ data: anchors() }));
  await writeFile(roots, pki.rootPem);
  const said: string[] = [];
  const flags = ['--anchors', anchorFile, '--roots', roots, '--namespace', 'mesh'];
  const code = await runAudit(['verify', ...flags, ...(files.length > 0 ? files : [path])], (text) =>
    said.push(text),
  );
  return { code, said: said.join('') };
}

test('a file that is whole is told to be so, to its last line', async () => {
  await life(5);
  expect(anchored()).toBe(7);
  expect(await verify()).toMatchObject({
    code: 0,
    said: expect.stringContaining('; all by its anchor of 2026-'),
  });
});

/** A chain of its own, right in itself, such as anybody can write. */
function forged(count: number): string {
  let end = CHAIN_BEGIN;
  let text = '';
  for (let index = 0; index < count; index += 1) {
    const next = nextLine(end, '2026-01-01T00:00:00.000Z', {
      event: 'issued',
      replica: 'op-1',
      serial: `X${index}`,
    });
    text += next.text;
    end = next.end;
  }
  return text;
}

describe('without an anchor these are whole; with it is found', () => {
  test.each<[string, () => Promise<void>, RegExp]>([
    [
      'a file that was cut off',
      async () => writeFile(path, `${(await linesOf()).slice(0, 4).join('\n')}\n`),
      /line 5 is broken: it is missing: the file had 7 lines at 2026-/,
    ],
    [
      'a file that was emptied',
      () => writeFile(path, ''),
      /line 1 is broken: it is missing: the file had 7 lines/,
    ],
    [
      'a file that was written again',
      () => writeFile(path, forged(7)),
      /line 7 is broken: its SHA-256 is .* written again/,
    ],
    [
      'a longer file that was written again',
      () => writeFile(path, forged(50)),
      /line 7 is broken: .* written again/,
    ],
  ])('%s', async (_what, tamper, message) => {
    await life(5);
    await tamper();
    const said: string[] = [];
    expect(await runAudit(['verify', path], (text) => said.push(text))).toBe(0);
    expect(said.join('')).toContain('not compared with an anchor');
    const found = await verify();
    expect(found).toMatchObject({ code: 1, said: expect.stringMatching(message) });
  });

  test('a file that was renamed, and one that is gone', async () => {
    await life(5);
    const elsewhere = join(folder, 'op-9.jsonl');
    await rename(path, elsewhere);
    const { code, said } = await verify(elsewhere);
    expect(code).toBe(1);
    expect(said).toContain('there is no anchor of a file of this name');
    expect(said).toContain('op-1.jsonl: there is an anchor of it, and it was not given');
  });
});

describe('an anchor is not an anchor', () => {
  const bent = (change: object) =>
    JSON.stringify({ ...(JSON.parse(anchors()['op-1.jsonl']!) as object), ...change });

  test.each<[string, () => string | Promise<string>, RegExp]>([
    ['with another number', () => bent({ seq: 3 }), /signature of its anchor is wrong/],
    ['with another time', () => bent({ time: '2026-01-01T00:00:30Z' }), /signature of its anchor is wrong/],
    ['with another hash', () => bent({ hash: 'a'.repeat(64) }), /signature of its anchor is wrong/],
    [
      'of another file',
      () => writeAnchor({ ...readAnchor(bent({})), file: 'op-2.jsonl' }, identity),
      /is that of "op-2.jsonl"/,
    ],
    ['that is not an anchor', () => 'rubbish', /cannot be read/],
    ['that is endless', () => `"${'x'.repeat(100_000)}"`, /cannot be read/],
    [
      'signed by a workload',
      async () => writeAnchor(readAnchor(bent({})), await pki.svid({ namespace: 'mesh', service: 'web' })),
      /not signed by an operator/,
    ],
    [
      'signed by a service of that name elsewhere',
      async () =>
        writeAnchor(readAnchor(bent({})), await pki.svid({ namespace: 'shop', service: 'mesh-operator' })),
      /not signed by an operator/,
    ],
    [
      'signed by an operator of another root',
      async () => writeAnchor(readAnchor(bent({})), await (await pki.foreign()).svid(OPERATOR)),
      /is not trusted/,
    ],
  ])('%s', async (_what, make, message) => {
    await life(5);
    fake.put(CONFIG_MAPS, { metadata: NAME, data: { 'op-1.jsonl': await make() } });
    expect(await verify()).toMatchObject({ code: 1, said: expect.stringMatching(message) });
  });

  test('it is verified at its own time, so that a certificate that has expired since is good', () => {
    const text = writeAnchor(
      { file: 'f', seq: 1, hash: 'a'.repeat(64), time: '2026-01-01T00:00:00Z' },
      identity,
    );
    expect(verifyAnchor(text, pki.rootPem, 'mesh')).toMatchObject({ seq: 1 });
    const late = writeAnchor(
      { file: 'f', seq: 1, hash: 'a'.repeat(64), time: '2099-01-01T00:00:00Z' },
      identity,
    );
    expect(() => verifyAnchor(late, pki.rootPem, 'mesh')).toThrow('not valid at this time');
  });
});

describe('the operator that writes the file', () => {
  const rest = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await settle();
  };

  test('anchors its end at once and then once a minute, however many lines there are, and nothing when there are none', async () => {
    const file = auditFile();
    file.start();
    const writes = () => fake.requests.filter(({ method }) => method === 'PATCH').length;
    await eventually(() => writes() === 1);
    for (let second = 0; second < 60; second += 1) {
      file.record({ event: 'issued', second });
      await rest();
      expect(writes()).toBe(1);
      await clock.advance(1_000);
    }
    await eventually(() => writes() === 2);
    // A line that reached the disk only after that comes with the next minute's.
    const minutes = async (count: number): Promise<void> => {
      for (let minute = 0; minute < count; minute += 1) {
        await clock.advance(60_000);
        await rest();
      }
    };
    await eventually(() => readFileSync(path, 'utf8').split('\n').length === 62);
    await minutes(1);
    await eventually(() => anchored() === 61);
    const enough = writes();
    expect(enough).toBeLessThanOrEqual(3);
    await minutes(5);
    expect(writes()).toBe(enough);
  });

  test('gives a file no new anchor that was changed while it was away, and says so', async () => {
    await life(5);
    const before = anchors()['op-1.jsonl'];
    await writeFile(path, forged(9));
    const file = auditFile();
    file.start();
    await eventually(() => file.fault !== undefined);
    expect(file.fault).toContain('the audit file op-1.jsonl is not what it was: line 7: its SHA-256');
    expect((await kit.metrics.auditAnchorFault.get()).values[0]?.value).toBe(1);
    expect(log.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: expect.objectContaining({ reason: 'audit-tampered' }),
      }),
    );
    await file.close();
    expect(anchors()['op-1.jsonl']).toBe(before);
    expect((await verify()).code).toBe(1);
  });

  test('goes on with a file that is as it was, torn end included', async () => {
    await life(5);
    await writeFile(path, `${(await linesOf()).join('\n')}\n{"seq":8,"pr`);
    await life(1);
    expect(await verify()).toMatchObject({ code: 0 });
  });

  test('says that the ConfigMap is missing, and anchors when it is there', async () => {
    fake.remove(CONFIG_MAPS, NAME);
    const file = auditFile();
    file.start();
    await eventually(() => file.fault !== undefined);
    expect(file.fault).toContain('ConfigMap mesh/mesh-audit is missing: it is part of the chart');
    fake.put(CONFIG_MAPS, { metadata: NAME });
    await eventually(() => clock.pendingTimers > 0);
    await clock.advance(60_000);
    await eventually(() => file.fault === undefined);
    expect(anchored()).toBe(1);
  });

  test('keeps the anchors of at most a hundred files, the newest', async () => {
    const at = (index: number) => `2025-01-01T00:00:${String(index % 60).padStart(2, '0')}Z`;
    const data = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => {
        const file = `old-${index}.jsonl`;
        const time = index === 42 ? '2024-01-01T00:00:00Z' : at(index);
        return [file, writeAnchor({ file, seq: 1, hash: 'a'.repeat(64), time }, identity)];
      }),
    );
    fake.put(CONFIG_MAPS, { metadata: NAME, data });
    await life(1);
    expect(Object.keys(anchors())).toHaveLength(100);
    expect(Object.keys(anchors())).not.toContain('old-42.jsonl');
    expect(JSON.stringify(anchors()).length).toBeLessThan(500_000);
  });
});

test('a kubeconfig is enough to verify with', async () => {
  await life(3);
  const root = { id: 'x', pem: pki.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' };
  fake.put(MESH_CONFIGS, { metadata: { name: 'mesh' }, status: { roots: [root] } });
  const file = join(folder, 'kubeconfig');
  const cluster = { server: fake.url, 'insecure-skip-tls-verify': true };
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'fake' },
    clusters: [{ name: 'fake', cluster }],
    users: [{ name: 'me', user: {} }],
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'me' } }],
  };
  await writeFile(file, JSON.stringify(config));
  const said: string[] = [];
  const args = ['verify', '--kubeconfig', file, '--namespace', 'mesh', path];
  expect(await runAudit(args, (text) => said.push(text))).toBe(0);
  expect(said.join('')).toContain('all by its anchor');
});

test.each([
  [['verify', '--anchors', 'x', 'file'], '--anchors and --roots are written together'],
  [['verify', '--in-cluster', '--kubeconfig', 'x', 'file'], 'exclude one another'],
  [['verify', '--nonsense', 'file'], 'nonsense'],
])('%j is told to be wrong', async (args, message) => {
  const said: string[] = [];
  expect(await runAudit(args, (text) => said.push(text))).toBe(2);
  expect(said.join('')).toContain(message);
});

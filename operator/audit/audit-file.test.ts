import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '#base/testing/eventually.ts';
import { FakeClock, settle } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { createMetrics } from '../metrics/metrics.ts';
import { AuditFile } from './audit-file.ts';
import type { AppendableFile, AuditFileDeps } from './audit-file.ts';
import { runAudit } from './command.ts';
import { verifyFile } from './verify.ts';

let folder: string;
let path: string;
let clock: FakeClock;
let log: FakeLog;
let kit: ReturnType<typeof createMetrics>;
const running: AuditFile[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-audit-'));
  path = join(folder, 'op-1.jsonl');
  clock = new FakeClock();
  log = new FakeLog();
  kit = createMetrics();
});

afterEach(async () => {
  for (const file of running.splice(0)) await file.close();
  await rm(folder, { recursive: true });
});

function auditFile(more: Partial<AuditFileDeps> = {}): AuditFile {
  const { metrics } = kit;
  const parts = { path, replica: 'op-1', clock, log, metrics, open: () => open(path, 'a+', 0o600), ...more };
  const file = new AuditFile(parts);
  running.push(file);
  return file;
}

const lines = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(path, 'utf8'))
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const count = async (result: string): Promise<number> =>
  (await kit.metrics.auditLines.get()).values.find(({ labels }) => labels.result === result)?.value ?? 0;

/** Lets what waits for the disk, and for the clock, come to rest. */
const eventuallyAtRest = (look: () => boolean): Promise<true> => eventually(() => settle().then(look));

/** Runs a process's life: so many certificates, then its end. */
async function life(certificates: number): Promise<void> {
  const file = auditFile();
  file.start();
  for (let serial = 0; serial < certificates; serial += 1)
    file.record({ event: 'issued', serial: `S${serial}` });
  await file.close();
}

test('each line has its number, the hash of the line before it, a time and who wrote it', async () => {
  await life(2);
  const [text] = (await readFile(path, 'utf8')).split('\n');
  const found = await lines();
  expect(found.map(({ event, seq, replica }) => [event, seq, replica])).toEqual([
    ['started', 1, 'op-1'],
    ['issued', 2, 'op-1'],
    ['issued', 3, 'op-1'],
    ['ended', 4, 'op-1'],
  ]);
  expect(found[0]).toMatchObject({ prev: '0'.repeat(64), time: '2026-01-01T00:00:00.000Z' });
  expect(found[1]!.prev).toBe(createHash('sha256').update(text!).digest('hex'));
  expect(log.lines.at(-1)).toMatchObject({ message: expect.stringContaining('closed'), fields: { seq: 4 } });
});

test('a restart goes on with the chain, however much was there', async () => {
  await life(1_000);
  await life(3);
  expect(await verifyFile(path)).toMatchObject({ ok: true, end: { seq: 1_007 } });
  expect(await count('written')).toBe(1_007);
});

test('a last line that a crash tore is cut off, and the next one says so', async () => {
  await life(1);
  await appendFile(path, '{"seq":4,"prev":"ab');
  expect(await verifyFile(path)).toMatchObject({ ok: false, line: 4, why: expect.stringContaining('torn') });
  await life(0);
  expect(await verifyFile(path)).toMatchObject({ ok: true });
  expect((await lines())[3]).toMatchObject({
    ...{ event: 'cut', bytes: 19 },
    sha256: createHash('sha256').update('{"seq":4,"prev":"ab').digest('hex'),
  });
});

test('a torn first line is no reason to stop', async () => {
  await writeFile(path, '{"seq":1,');
  await life(0);
  expect(await verifyFile(path)).toMatchObject({ ok: true, end: { seq: 3 } });
});

test('a file that ends with something else is left as it is, and told', async () => {
  await writeFile(path, 'not ours\n');
  const file = auditFile();
  file.start();
  await eventuallyAtRest(() => file.fault !== undefined);
  expect(file.fault).toMatch(/^the last line of .* is not a line of an audit file; /);
  expect(await readFile(path, 'utf8')).toBe('not ours\n');
});

describe('a disk that takes no more', () => {
  /** A file that can be told to fail in the middle of a line. */
  async function faulty(): Promise<{ open: () => Promise<AppendableFile>; full: boolean; opened: number }> {
    const state = { full: false, opened: 0, open: () => Promise.resolve({} as AppendableFile) };
    state.open = async () => {
      state.opened += 1;
      const handle = await open(path, 'a+');
      return {
        stat: () => handle.stat(),
        read: (...given) => handle.read(...given),
        truncate: (length) => handle.truncate(length),
        datasync: () => handle.datasync(),
        close: () => handle.close(),
        appendFile: async (text) => {
          await handle.appendFile(state.full ? text.slice(0, 30) : text);
          if (state.full) throw new Error('ENOSPC: no space left on device, write');
        },
      };
    };
    return state;
  }

  test('is told in log and metric, signing is not held up, and nothing is lost when there is room again', async () => {
    const disk = await faulty();
    const file = auditFile({ open: disk.open });
    file.start();
    await eventuallyAtRest(() => file.end?.seq === 1);
    disk.full = true;
    for (let serial = 0; serial < 600; serial += 1) file.record({ event: 'issued', serial });
    await eventuallyAtRest(() => file.fault !== undefined);
    expect(file.fault).toContain('ENOSPC');
    expect((await kit.metrics.auditFault.get()).values[0]?.value).toBe(1);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(await verifyFile(path)).toMatchObject({ ok: true, end: { seq: 1 } });
    disk.full = false;
    await eventuallyAtRest(() => clock.pendingTimers > 0);
    await clock.advance(1_000);
    await eventuallyAtRest(() => file.end?.seq === 601);
    expect(file.fault).toBeUndefined();
    expect(await verifyFile(path)).toMatchObject({ ok: true, end: { seq: 601 } });
    expect(await count('lost')).toBe(0);
  });

  test('what is too much to remember is counted, and a line says how many are missing', async () => {
    const disk = await faulty();
    disk.full = true;
    const file = auditFile({ open: disk.open });
    for (let serial = 0; serial < 10_005; serial += 1) file.record({ event: 'issued', serial });
    expect(await count('lost')).toBe(5);
    disk.full = false;
    await eventuallyAtRest(() => clock.pendingTimers > 0 || file.end !== undefined);
    await clock.advance(1_000);
    await eventuallyAtRest(() => file.end?.seq === 10_001);
    expect((await lines()).filter(({ event }) => event === 'lost')).toMatchObject([{ lines: 5 }]);
    expect(await verifyFile(path)).toMatchObject({ ok: true });
  });

  test('the same goes for a file that is as long as it may be', async () => {
    const file = auditFile({ maxSize: 400 });
    for (let serial = 0; serial < 10; serial += 1) file.record({ event: 'issued', serial });
    await eventuallyAtRest(() => file.fault !== undefined);
    expect(file.fault).toContain('has reached 400 bytes');
  });
});

test('what strangers can cause fills no disk: what is too much is counted, certificates are all there', async () => {
  const file = auditFile();
  for (let index = 0; index < 1_500; index += 1)
    file.record({ event: 'refused', index }, { by: `pod-${index % 40}`, reason: 'pod-gone' });
  file.record({ event: 'issued' });
  await file.close();
  expect(await count('left-out')).toBe(460);
  const events = (await lines()).map(({ event }) => event);
  expect(events.filter((event) => event === 'refused')).toHaveLength(1_040);
  expect(events).toContain('issued');
  expect((await lines()).find(({ event }) => event === 'left-out')).toMatchObject({
    ...{ lines: 460, reasons: { 'pod-gone': 460 } },
  });
  expect((await kit.metrics.auditLeftOut.get()).values).toMatchObject([
    { labels: { reason: 'pod-gone' }, value: 460 },
  ]);
});

test('long texts, newlines and odd characters stay within one line', async () => {
  const file = auditFile();
  file.record({ event: 'refused', detail: `a\nb\u2028"${'\u0000'.repeat(100_000)}` });
  await file.close();
  expect(await verifyFile(path)).toMatchObject({ ok: true, end: { seq: 2 } });
  expect((await readFile(path)).length).toBeLessThan(8_000);
});

describe('audit verify', () => {
  const say: string[] = [];
  beforeEach(() => {
    say.length = 0;
  });
  const verify = (...args: string[]): Promise<number> => runAudit(args, (text) => void say.push(text));

  test('says where a whole chain ends, for each file', async () => {
    await life(5);
    expect(await verify('verify', path, path)).toBe(0);
    expect(say).toHaveLength(2);
    expect(say[0]).toMatch(
      /^.*op-1\.jsonl: 7 lines, none changed, .*SHA-256 is [0-9a-f]{64}; not compared with an anchor/,
    );
  });

  test.each<[string, (lines: string[]) => string[], number, RegExp]>([
    ['changed', (all) => all.with(2, all[2]!.replace('S1', 'S9')), 4, /the line before it was changed/],
    ['removed', (all) => all.toSpliced(2, 1), 3, /its number is 4, and 3 was expected/],
    ['inserted', (all) => all.toSpliced(2, 0, all[2]!), 4, /its number is 3, and 4 was expected/],
    ['swapped', (all) => all.with(2, all[3]!).with(3, all[2]!), 3, /its number is 4/],
    ['removed at the beginning', (all) => all.slice(1), 1, /its number is 2, and 1 was expected/],
    ['another chain’s', (all) => all.with(3, all[3]!.replace(/"prev":"../, '"prev":"ff')), 4, /was changed/],
    ['no JSON', (all) => all.with(2, 'rubbish'), 3, /not a line of an audit file/],
    ['empty', (all) => all.with(2, ''), 3, /not a line of an audit file/],
    [
      'endless',
      (all) => all.with(2, 'x'.repeat(200_000)),
      3,
      /more than 65536 bytes|not a line of an audit file/,
    ],
  ])('finds the first line that is broken: one that is %s', async (_what, bend, line, why) => {
    await life(5);
    const all = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    await writeFile(path, `${bend(all).join('\n')}\n`);
    expect(await verify('verify', path)).toBe(1);
    expect(say.join('')).toContain(`line ${line} is broken: `);
    expect(say.join('')).toMatch(why);
  });

  test('a file that is not there, and a command that is none, are told', async () => {
    expect(await verify('verify', join(folder, 'nothing'))).toBe(1);
    expect(say.join('')).toContain('cannot be read: ENOENT');
    expect(await verify('verify')).toBe(2);
    expect(await verify('sign')).toBe(2);
    expect(say.join('')).toContain('usage: mesh-operator audit verify [ANCHORS] FILE...');
  });
});

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { noJournal } from './journal.ts';
import type { ApiObject } from './object.ts';
import { ObjectStore } from './object-store.ts';
import { DataInUse, DataUnreadable, sqliteJournal } from './sqlite-journal.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'mesh-store-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SECRETS = '/secrets';
const secret = (name: string, value = ''): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'shop' },
  data: { value },
});
const names = (objects: readonly ApiObject[]): string[] => objects.map(({ metadata }) => metadata.name);

test('what was written is there when the file is opened again, with a version that only grows', () => {
  const first = new ObjectStore(sqliteJournal(join(folder, 'data')));
  first.put(SECRETS, secret('a', '1'));
  first.put(SECRETS, secret('b'));
  const last = first.put(SECRETS, secret('a', '2'));
  first.remove(SECRETS, first.get(SECRETS, 'shop/b')!);
  first.close();
  const second = new ObjectStore(sqliteJournal(join(folder, 'data')));
  expect(names(second.list(SECRETS))).toEqual(['a']);
  expect(second.get(SECRETS, 'shop/a')).toEqual(last);
  const version = Number(second.put(SECRETS, secret('c')).metadata.resourceVersion);
  // The deletion had a version too, and it is never given again.
  expect(version).toBe(Number(last.metadata.resourceVersion) + 2);
  second.close();
});

test('only the owner may read the file, and what lies beside it', () => {
  const store = new ObjectStore(sqliteJournal(join(folder, 'data')));
  store.put(SECRETS, secret('a'));
  for (const name of ['data', 'data-wal']) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  store.close();
});

test('a second one on the same file is refused', () => {
  const first = sqliteJournal(join(folder, 'data'));
  expect(() => sqliteJournal(join(folder, 'data'))).toThrow(DataInUse);
  first.close();
  sqliteJournal(join(folder, 'data')).close();
});

test('a file of something else is refused, and left alone', () => {
  writeFileSync(join(folder, 'data'), 'Dear diary, this is not a database. '.repeat(100));
  expect(() => sqliteJournal(join(folder, 'data'))).toThrow(DataUnreadable);
});

test('a list of an older version shows that time', () => {
  const store = new ObjectStore(noJournal);
  store.put(SECRETS, secret('a', '1'));
  store.put(SECRETS, secret('b'));
  const then = store.version;
  store.put(SECRETS, secret('a', '2'));
  store.remove(SECRETS, store.get(SECRETS, 'shop/b')!);
  store.put(SECRETS, secret('c'));
  expect(store.list(SECRETS, then).map(({ metadata, data }) => [metadata.name, data])).toEqual([
    ['a', { value: '1' }],
    ['b', { value: '' }],
  ]);
  expect(names(store.list(SECRETS))).toEqual(['a', 'c']);
});

test('history is bounded, and what is forgotten is known', () => {
  const store = new ObjectStore(noJournal, 10);
  for (let i = 0; i < 100; i++) store.put(SECRETS, secret('a', String(i)));
  expect(store.oldest).toBeGreaterThan(80);
  expect(store.since(store.oldest).length).toBe(store.version - store.oldest);
});

test('a write that the journal refuses did not happen', () => {
  const store = new ObjectStore({
    ...noJournal,
    write: () => {
      throw new Error('the disk is full');
    },
  });
  const seen: unknown[] = [];
  store.subscribe((change) => seen.push(change));
  expect(() => store.put(SECRETS, secret('a'))).toThrow('the disk is full');
  expect(store.get(SECRETS, 'shop/a')).toBeUndefined();
  expect([store.version, seen]).toEqual([1, []]);
});

test('changes are kept up to so many bytes, however few they are, and watches that are older list again', () => {
  const store = new ObjectStore(noJournal, 1_000, 200_000);
  for (let count = 0; count < 200; count += 1) store.put(SECRETS, secret('a', 'x'.repeat(10_000)));
  expect(store.version - store.oldest).toBeLessThan(25);
  expect(store.version - store.oldest).toBeGreaterThan(5);
  expect(store.since(store.oldest).length).toBe(store.version - store.oldest);
});

test('what all objects weigh is known, after changes, deletions and a restart', () => {
  const store = new ObjectStore(sqliteJournal(join(folder, 'data')));
  const empty = store.weight;
  store.put(SECRETS, secret('a', 'x'.repeat(1_000)));
  const one = store.weight;
  store.put(SECRETS, secret('a', 'x'.repeat(5_000)));
  expect(store.weight - one).toBe(8_000);
  store.put(SECRETS, secret('b'));
  store.remove(SECRETS, store.get(SECRETS, 'shop/b')!);
  const { weight } = store;
  store.close();
  const restarted = new ObjectStore(sqliteJournal(join(folder, 'data')));
  expect([empty, restarted.weight]).toEqual([0, weight]);
  restarted.close();
});

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CliError } from '../cli-error.ts';
import { ownFolder } from './data-folder.ts';

const home = mkdtempSync(join(tmpdir(), 'mesh-folder-'));
afterAll(() => rmSync(home, { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test('a folder for data is made with those above it, for its owner only', () => {
  const folder = join(home, 'a', 'b', 'data');
  expect(ownFolder(folder)).toBe(folder);
  expect([modeOf(folder), modeOf(join(home, 'a'))]).toEqual([0o700, 0o700]);
});

test('one that is there is closed to others', () => {
  const folder = mkdtempSync(join(home, 'open-'));
  ownFolder(folder);
  expect(modeOf(folder)).toBe(0o700);
});

test('where there can be none, a sentence says so', () => {
  const file = join(home, 'file');
  writeFileSync(file, '');
  // In /proc nobody can make a folder, and the system does not say so in a way that Node understands.
  for (const path of [file, join(file, 'below'), '/proc/nothing/of/this']) {
    expect(() => ownFolder(path)).toThrow(CliError);
    expect(() => ownFolder(path)).toThrow(/cannot be a folder for data \(.+\): give another with --data$/);
  }
});

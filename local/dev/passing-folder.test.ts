import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { passingFolder, processIdentity } from './passing-folder.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mesh-passing-'));
});
afterEach(() => rmSync(home, { recursive: true }));

/** A folder as another process would have made it. */
function folderOf(name: string, owner: string | undefined, mode = 0o700): string {
  const folder = join(home, `mesh-dev-${name}`);
  mkdirSync(folder, { mode });
  chmodSync(folder, mode);
  writeFileSync(join(folder, 'kubeconfig'), 'secret', { mode: 0o600 });
  if (owner !== undefined) writeFileSync(join(folder, 'owner'), owner);
  return folder;
}

const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;

test('a folder is its owner’s only, says whose it is, and is gone when it is removed', () => {
  const { folder, remove } = passingFolder(home);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(folder, 'owner'), 'utf8')).toBe(processIdentity(process.pid));
  remove();
  expect(existsSync(folder)).toBe(false);
});

test.each<[string, () => string]>([
  ['a process that is gone', () => folderOf('gone', `${deadPid()} 12345`)],
  ['a process whose number another one has by now', () => folderOf('reused', `${process.pid} 1`)],
  ['who is not a process', () => folderOf('odd', '../../1 5')],
  [
    'nobody, for long',
    () => {
      const folder = folderOf('old', undefined);
      utimesSync(folder, new Date(), new Date(Date.now() - 2 * 24 * 3_600_000));
      return folder;
    },
  ],
])('what belongs to %s is removed', (_what, make) => {
  const folder = make();
  passingFolder(home);
  expect(existsSync(folder)).toBe(false);
});

test.each<[string, () => string]>([
  ['of a process that is there', () => folderOf('there', processIdentity(process.pid))],
  ['that is just being made', () => folderOf('new', undefined)],
  ['that others can enter', () => folderOf('open', `${deadPid()} 1`, 0o755)],
  [
    'of another name',
    () => {
      const folder = join(home, 'other');
      mkdirSync(folder, { mode: 0o700 });
      writeFileSync(join(folder, 'owner'), `${deadPid()} 1`);
      return folder;
    },
  ],
])('a folder %s stays', (_what, make) => {
  const folder = make();
  passingFolder(home);
  expect(existsSync(folder)).toBe(true);
});

test('links are not followed: neither one in the place of a folder, nor one inside', () => {
  const elsewhere = join(home, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o700 });
  writeFileSync(join(elsewhere, 'owner'), `${deadPid()} 1`);
  writeFileSync(join(elsewhere, 'precious'), 'kept');
  symlinkSync(elsewhere, join(home, 'mesh-dev-link'));
  const folder = folderOf('gone', `${deadPid()} 1`);
  symlinkSync(elsewhere, join(folder, 'inside'));
  passingFolder(home);
  expect(lstatSync(join(home, 'mesh-dev-link')).isSymbolicLink()).toBe(true);
  expect(existsSync(folder)).toBe(false);
  expect(readFileSync(join(elsewhere, 'precious'), 'utf8')).toBe('kept');
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { checkIntegrity } from './integrity.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'mesh-integrity-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a file that is not the one that was pinned is refused, however little it differs', () => {
  const file = join(folder, 'file');
  // SHA-512 of "abc" (FIPS 180-4, example).
  const abc =
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f';
  const integrity = `sha512-${Buffer.from(abc, 'hex').toString('base64')}`;
  writeFileSync(file, 'abc');
  checkIntegrity(file, integrity);
  writeFileSync(file, 'abd');
  expect(() => checkIntegrity(file, integrity)).toThrow(`expected ${integrity}`);
});

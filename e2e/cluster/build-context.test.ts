import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contextHash, ignoreRules } from './build-context.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-e2e-'));
  mkdirSync(join(folder, 'docs', 'deep'), { recursive: true });
  writeFileSync(join(folder, 'main.ts'), '1');
  writeFileSync(join(folder, 'docs', 'deep', 'page.md'), '1');
});

afterEach(() => rmSync(folder, { recursive: true }));

function change(path: string): boolean {
  const before = contextHash(folder, []);
  writeFileSync(join(folder, path), 'changed');
  return contextHash(folder, []) !== before;
}

test('a changed file changes the hash', () => {
  expect(change('main.ts')).toBe(true);
  expect(change('docs/deep/page.md')).toBe(true);
});

test('what else decides the result changes the hash', () => {
  expect(contextHash(folder, ['a'])).not.toBe(contextHash(folder, ['b']));
});

test('what .dockerignore leaves out does not count', () => {
  writeFileSync(join(folder, '.dockerignore'), 'docs\n');
  expect(change('docs/deep/page.md')).toBe(false);
  expect(change('main.ts')).toBe(true);
});

test('the rules are those of Docker: the last one that matches decides', () => {
  writeFileSync(join(folder, '.dockerignore'), '# all but sources\n*\n!core\n!/kube/\n**/*.test.ts\n');
  const ignored = ignoreRules(folder);
  expect(ignored('docs/deep/page.md')).toBe(true);
  expect(ignored('core/a/b.ts')).toBe(false);
  expect(ignored('kube/b.ts')).toBe(false);
  expect(ignored('core/a/b.test.ts')).toBe(true);
});

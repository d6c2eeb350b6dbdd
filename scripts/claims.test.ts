import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = ['docs/threat-model.md', 'docs/security.md'];

/** Links to tests: the text is (the beginning or a part of) the name of a test in that file. */
const TEST_LINK = /\[([^\]]+)\]\((\.\.\/[^)]+\.test\.ts)\)/g;

const claims = PAGES.flatMap((page) =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(TEST_LINK)].map(
    ([, name = '', path = '']) => [page, name, join(dirname(page), path)] as const,
  ),
);

test.each(claims)('%s: "%s" is a test of %s', (_page, name, file) => {
  expect(existsSync(join(ROOT, file))).toBe(true);
  const source = readFileSync(join(ROOT, file), 'utf8').replaceAll("\\'", "'");
  const isFileItself = file.includes(`/${name}.`);
  expect(isFileItself || source.includes(name)).toBe(true);
});

test('there are claims', () => {
  expect(claims.length).toBeGreaterThan(50);
});

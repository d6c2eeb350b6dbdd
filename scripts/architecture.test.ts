import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAP = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
/** Folders of the repository that are no rooms: what tools keep, and pages. */
const NO_ROOMS = new Set(['docs', 'node_modules', 'dist', 'coverage']);

const named = [
  ...new Set([...MAP.matchAll(/`([a-z0-9-]+\/[A-Za-z0-9/._-]*)`/g)].map(([, path = '']) => path)),
];

test.each(named)('%s, which the map names, is there', (path) => {
  expect(existsSync(join(ROOT, path))).toBe(true);
});

const rooms = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !NO_ROOMS.has(entry.name))
  .map(({ name }) => `${name}/`);

test('every room is on the map', () => {
  expect(rooms.length).toBeGreaterThan(8);
  expect(rooms.filter((room) => !named.includes(room))).toEqual([]);
});

/** Rooms of files that are no code, described by the pages of `docs/`. */
const WITHOUT_PAGE = ['charts/', 'crds/'];

test.each(rooms.filter((room) => !WITHOUT_PAGE.includes(room)))(
  '%s has a page that leads back to the map',
  (room) => {
    expect(readFileSync(join(ROOT, room, 'README.md'), 'utf8')).toContain('(../ARCHITECTURE.md)');
  },
);

test.each(['core/', 'sidecar/', 'sidecar/dataplane/', 'operator/', 'kube/'])(
  'every part of %s is on the map',
  (room) => {
    const parts = readdirSync(join(ROOT, room), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'testing')
      .map(({ name }) => `${room}${name}/`);
    expect(parts.filter((part) => !named.includes(part))).toEqual([]);
  },
);

describe('every file of the data plane', () => {
  const folder = join(ROOT, 'sidecar/dataplane');
  const page = readFileSync(join(folder, 'README.md'), 'utf8');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const isTest = (file: string): boolean => file.endsWith('.test.ts');
  const sources = files.filter((file) => !/\.(test|fake|suite)\.ts$|testing\//.test(file));

  test.each(sources)('%s has a test of its own, or the page says what tests it', (file) => {
    const stem = file.slice(0, -'.ts'.length);
    const own = files.some((other) => isTest(other) && other.startsWith(`${stem}.`));
    const [folderOf] = file.split('/');
    expect(own || page.includes(`| \`${file}\``) || page.includes(`| \`${folderOf}/\``)).toBe(true);
  });

  test.each([...page.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path))(
    '%s, which the page names, is there',
    (path) => {
      expect(existsSync(join(folder, path))).toBe(true);
    },
  );
});

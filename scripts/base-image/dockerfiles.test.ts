import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { DOCKERFILES, pinnedBase, unpinned, withBase } from './dockerfiles.ts';

const ROOT = join(import.meta.dirname, '../..');
const OURS = ['mesh.dev/examples:latest'];
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;

function dockerfiles(folder = ''): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(node_modules|\.git|dist)$/.test(entry.name) ? [] : dockerfiles(path);
    return entry.name.startsWith('Dockerfile') ? [path] : [];
  });
}

test('every Dockerfile names what it builds on by digest', () => {
  const all = dockerfiles();
  expect(all).toEqual(expect.arrayContaining([...DOCKERFILES]));
  expect(all.map((path) => [path, unpinned(read(path), OURS)])).toEqual(all.map((path) => [path, []]));
});

test('all build on the same base', () => {
  const bases = DOCKERFILES.map((path) => pinnedBase(read(path)));
  expect(bases[0]).toMatch(/^docker\.io\/library\/node:24-bookworm-slim@sha256:/);
  expect(new Set(bases).size).toBe(1);
});

test.each([
  ['FROM node:24', 'node:24'],
  ['FROM --platform=linux/amd64 node:24 AS build', 'node:24'],
  ['ARG NODE_IMAGE=node:24\nFROM ${NODE_IMAGE}', '${NODE_IMAGE}'],
  [`FROM node:24@${digest('a').slice(0, -1)}`, `node:24@${digest('a').slice(0, -1)}`],
  ['FROM scratch\nCOPY --from=busybox:1 /bin/sh /', 'busybox:1'],
  ['FROM scratch\nRUN --mount=type=bind,from=busybox:1,target=/b true', 'busybox:1'],
])('what can change without the Dockerfile is found: %j', (text, found) => {
  expect(unpinned(text, OURS)).toEqual([found]);
});

test('an update replaces the digest and nothing else', () => {
  const text = `# x\nARG NODE_IMAGE=node:24@${digest('a')}\nFROM \${NODE_IMAGE} AS b\nCOPY --from=b / /\n`;
  expect(withBase(text, `node:24@${digest('b')}`)).toBe(text.replace(digest('a'), digest('b')));
  expect(() => withBase(text, 'node:24')).toThrow('tag and digest');
  expect(() => withBase('FROM scratch', `node:24@${digest('b')}`)).toThrow('ARG NODE_IMAGE');
});

test('every npm package that is built in is pinned by a SHA-512', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { integrity?: string }>;
  };
  const places = Object.keys(packages).filter((place) => place !== '');
  expect(places.length).toBeGreaterThan(100);
  expect(places.filter((place) => !packages[place]?.integrity?.startsWith('sha512-'))).toEqual([]);
});

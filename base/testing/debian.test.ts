import { sourcesOf } from './debian.ts';

const SOURCES = `Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`;

test('another suite comes from the mirror of the main archive', () => {
  expect(sourcesOf('bullseye', SOURCES)).toBe(
    'Types: deb\nURIs: http://mirror.example/debian\nSuites: bullseye\nComponents: main\n',
  );
  expect(sourcesOf('bookworm', SOURCES)).toBe(SOURCES);
});

test('sources without the main archive are no help', () => {
  const security = SOURCES.slice(SOURCES.indexOf('\n\n') + 2);
  expect(() => sourcesOf('bullseye', security)).toThrow('no archive that could hold bullseye');
});

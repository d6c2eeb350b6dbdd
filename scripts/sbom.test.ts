import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The bill of materials (CycloneDX) that is built with each bundle, and goes into each image. */

const ROOT = join(import.meta.dirname, '..');
const PATIENCE_MS = 120_000;

interface Component {
  readonly 'bom-ref': string;
  readonly purl: string;
  readonly name: string;
  readonly group?: string;
  readonly version: string;
  readonly hashes?: readonly { readonly content: string }[];
  readonly licenses?: readonly unknown[];
  readonly components?: readonly Component[];
}
interface Bill {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly name: string; readonly type: string } };
  readonly components: readonly Component[];
}

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'mesh-sbom-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function built(name: string, args: readonly string[] = []): { bill: Bill; text: string; bundle: string } {
  execFileSync(process.execPath, ['scripts/build.mjs', name, '--out', folder, ...args], { cwd: ROOT });
  const text = readFileSync(join(folder, `${name}.cdx.json`), 'utf8');
  return { bill: JSON.parse(text) as Bill, text, bundle: readFileSync(join(folder, `${name}.js`), 'utf8') };
}
const named = ({ group, name }: Component): string => (group === undefined ? name : `${group}/${name}`);
const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { version: string; integrity: string }>;
};

test(
  'the bill of the operator lists what is in its bundle, as package-lock.json pins it, and nothing else',
  () => {
    const { bill } = built('operator');
    expect([bill.bomFormat, bill.specVersion, bill.metadata.component.name]).toEqual([
      'CycloneDX',
      '1.6',
      'mesh-operator',
    ]);
    const names = bill.components.map(named);
    // Directly, through another package, with a scope; and tools and parts of `mesh dev`, which are in no image.
    for (const name of ['zod', 'express', 'body-parser', '@peculiar/x509', '@kubernetes/client-node'])
      expect(names).toContain(name);
    for (const name of ['esbuild', 'typescript', 'libsql', 'jest', 'koffi'])
      expect(names).not.toContain(name);
    expect(new Set(bill.components.map((component) => component['bom-ref'])).size).toBe(names.length);
    for (const component of bill.components) {
      const pinned = Object.entries(lock.packages).filter(([place]) =>
        place.endsWith(`node_modules/${named(component)}`),
      );
      const hash = Buffer.from(component.hashes?.[0]?.content ?? '', 'hex').toString('base64');
      expect(pinned.map(([, { version, integrity }]) => `${version} ${integrity}`)).toContain(
        `${component.version} sha512-${hash}`,
      );
      expect(component.licenses).toHaveLength(1);
    }
    // Where two packages need different versions, both are there.
    expect(bill.components.filter(({ name }) => name === 'tslib').length).toBeGreaterThan(1);
  },
  PATIENCE_MS,
);

test(
  'the bill of an image has Node, what is in Node, native code and the packages of Debian besides; made again it is the same',
  () => {
    const list = join(folder, 'packages');
    writeFileSync(list, 'libc6 2.36-9+deb12u14 amd64\nlibgmp10 2:6.2.1+dfsg1-1.1 amd64\n');
    const { bill, text } = built('sidecar', ['--image', list]);
    expect(bill.metadata.component.type).toBe('container');
    const native = `koffi-${process.platform}-${process.arch}`;
    expect(bill.components.map(({ name }) => name).sort()).toEqual(
      ['koffi', native, 'libc6', 'libgmp10', 'node'].sort(),
    );
    expect(bill.components.map(({ purl }) => purl)).toContain(
      'pkg:deb/debian/libgmp10@2%3A6.2.1%2Bdfsg1-1.1?arch=amd64',
    );
    const node = bill.components.find(({ name }) => name === 'node');
    expect(node?.version).toBe(process.versions.node);
    expect(node?.components?.find(({ name }) => name === 'openssl')?.version).toBe(process.versions.openssl);
    expect(built('sidecar', ['--image', list, '--image', list]).text).toBe(text);
  },
  PATIENCE_MS,
);

const onDebian = existsSync('/var/lib/dpkg/status') && process.platform === 'linux';
(onDebian ? test : test.skip)(
  'the packages of Debian in an image are listed, with those of the libraries that programs load; a file of none is refused',
  () => {
    const root = join(folder, 'image');
    execFileSync('sh', ['scripts/image-root.sh', root, '/usr/bin/dpkg'], { cwd: ROOT });
    const lines = readFileSync(`${root}.packages`, 'utf8').split('\n');
    expect(lines.map((line) => line.split(' ')[0])).toEqual(expect.arrayContaining(['dpkg', 'libc6']));
    const stray = join(folder, 'stray');
    writeFileSync(stray, '');
    expect(() =>
      execFileSync('sh', ['scripts/image-root.sh', root, stray], { cwd: ROOT, stdio: 'pipe' }),
    ).toThrow('no Debian package');
  },
);

test.each([['operator'], ['sidecar']])('the image of the %s is given its bill', (name) => {
  const dockerfile = readFileSync(join(ROOT, `Dockerfile.${name}`), 'utf8');
  const roots = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)\n(?:(?!^FROM ).*\n)*?RUN sh \/image-root\.sh/gm)];
  const stages = roots.map(([, stage]) => stage ?? '');
  expect(stages).toContain('root');
  for (const stage of stages) {
    expect(dockerfile).toContain(`COPY --from=${stage} /image.packages /packages/${stage}\n`);
    expect(dockerfile).toContain(` --image /packages/${stage}`);
  }
});

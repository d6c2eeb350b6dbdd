#!/usr/bin/env node
// Bundles the two processes: `npm run build`, or `npm run build -- sidecar`. The operator's has files besides, for its thread and for
// what it seldom needs.
//   --sourcemap   writes a source map beside each bundle (images have none)
//   --out DIR     writes there instead of dist/
//   --image FILE  is given by Dockerfiles: a list of the Debian packages beside the bundle (scripts/image-root.sh); may be repeated
// Beside each bundle lies its bill of materials, NAME.cdx.json (CycloneDX); with --image, it is that of the whole image.
//   --entry FILE  bundles this file instead, in the same way (for what is measured as it ships)
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

import { sbomOf } from './sbom.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/**
 * The programs of each process. Of several, each loads its own part and what they share: a thread or process reads and keeps every
 * file that it loads, and most of the operator is the client library, which no pod needs.
 */
const BUNDLES = {
  operator: { operator: 'operator/main.ts', webhooks: 'operator/webhooks/main.ts' },
  sidecar: { sidecar: 'sidecar/main.ts' },
};
const PROCESSES = Object.keys(BUNDLES);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sourcemap: { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'dist') },
    entry: { type: 'string' },
    image: { type: 'string', multiple: true },
  },
});

const wanted = positionals.length > 0 ? positionals : PROCESSES;
for (const name of wanted) {
  if (!PROCESSES.includes(name))
    fail(`unknown process ${JSON.stringify(name)}: write one of ${PROCESSES.join(', ')}.`);
  for (const entry of Object.values(BUNDLES[name]))
    if (!existsSync(join(root, entry))) fail(`${entry} does not exist, so there is nothing to bundle.`);
}

/**
 * Takes Node's own modules by `process.getBuiltinModule` instead of `import`, and of each only what the bundle uses: some
 * exports load more when they are read (all of fetch behind `http.WebSocket`, workers behind `util`), and importing a
 * module into an ES module, or converting one, reads every export. On Node 24 that costs each sidecar three megabytes.
 */
const lazyBuiltins = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) => ({
      path,
      namespace: kind === 'require-call' ? 'builtin-required' : 'builtin-imported',
    }));
    build.onLoad({ filter: /.*/, namespace: 'builtin-required' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
    build.onLoad({ filter: /.*/, namespace: 'builtin-imported' }, ({ path }) => ({
      contents: exportsOf(path).join('\n'),
    }));
  },
};

/** An ES module with the exports of one of Node's own. "Pure" is what lets esbuild leave out those that nobody imports. */
function exportsOf(path) {
  const names = Object.keys(process.getBuiltinModule(path)).filter((name) => /^[a-z]\w*$/i.test(name));
  return [
    `const builtin = /* @__PURE__ */ process.getBuiltinModule(${JSON.stringify(path)});`,
    'const read = (name) => builtin[name];',
    'export default builtin;',
    ...names.map((name) => `const its_${name} = /* @__PURE__ */ read(${JSON.stringify(name)});`),
    `export { ${names.map((name) => `its_${name} as ${name}`).join(', ')} };`,
  ];
}

mkdirSync(values.out, { recursive: true });
// Node decides by the nearest package.json whether a .js file is an ES module.
writeFileSync(join(values.out, 'package.json'), '{ "type": "module" }\n');
if (values.entry !== undefined) {
  const name = basename(values.entry, '.ts');
  await bundle(name, { [name]: values.entry });
} else for (const name of wanted) await bundle(name, BUNDLES[name]);

async function bundle(name, entryPoints) {
  const started = performance.now();
  // Parts of an earlier build have other names.
  for (const file of readdirSync(values.out))
    if (file.startsWith(`${name}-`) || file.startsWith(`${name}.js`)) rmSync(join(values.out, file));
  const { metafile } = await build({
    metafile: true,
    absWorkingDir: root,
    entryPoints,
    outdir: values.out,
    splitting: Object.keys(entryPoints).length > 1,
    chunkNames: `${name}-[hash]`,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // The binaries of koffi, a native addon: they cannot be part of a bundle.
    external: ['@koromix/*'],
    plugins: [lazyBuiltins],
    // Some dependencies are CommonJS and ask for Node's own modules with `require`, which an ES module does not have.
    banner: {
      js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
    },
    // Names are kept, so that a stack trace in a log says something.
    minifyWhitespace: true,
    minifySyntax: true,
    keepNames: false,
    sourcemap: values.sourcemap,
    // Licence texts of what is bundled, in a file of their own.
    legalComments: 'external',
    logLevel: 'warning',
  });
  // What is measured is not handed out.
  if (values.entry === undefined) writeBill(name, Object.values(metafile.outputs));
  const kib = Math.round(statSync(join(values.out, `${name}.js`)).size / 1024);
  console.log(`${name}.js: ${kib} KiB in ${Math.round(performance.now() - started)} ms`);
}

function writeBill(name, outputs) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs));
  const isNative = inputs.some(([path]) => path.includes('node_modules/koffi/'));
  // The native half of koffi, which Dockerfile.sidecar puts beside the bundle.
  const natives = isNative ? [`@koromix/koffi-${process.platform}-${process.arch}`] : [];
  const packages = (values.image ?? []).flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '))
      .map(([name, version, architecture]) => ({ name, version, architecture })),
  );
  const image = values.image ? { packages, versions: process.versions } : undefined;
  const bill = sbomOf({ name, inputs, lock, natives, image });
  writeFileSync(join(values.out, `${name}.cdx.json`), `${JSON.stringify(bill, undefined, 2)}\n`);
}

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}

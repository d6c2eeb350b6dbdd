#!/usr/bin/env node
// Bundles the two processes into one file each: `npm run build`, or `npm run build -- sidecar`.
//   --sourcemap   writes a source map beside each bundle (images have none)
//   --out DIR     writes there instead of dist/
//   --entry FILE  bundles this file instead, in the same way (for what is measured as it ships)
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const PROCESSES = ['operator', 'sidecar'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sourcemap: { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'dist') },
    entry: { type: 'string' },
  },
});

const wanted = positionals.length > 0 ? positionals : PROCESSES;
for (const name of wanted) {
  if (!PROCESSES.includes(name))
    fail(`unknown process ${JSON.stringify(name)}: write one of ${PROCESSES.join(', ')}.`);
  if (!existsSync(join(root, name, 'main.ts')))
    fail(`${name}/main.ts does not exist, so there is nothing to bundle.`);
}

/**
 * Takes Node's own modules by `process.getBuiltinModule` instead of `import`: importing one into an ES module reads all of
 * its exports, and reading `http.WebSocket` loads all of fetch, which costs each sidecar on Node 24 three megabytes.
 */
const lazyBuiltins = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }));
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

mkdirSync(values.out, { recursive: true });
// Node decides by the nearest package.json whether a .js file is an ES module.
writeFileSync(join(values.out, 'package.json'), '{ "type": "module" }\n');
if (values.entry !== undefined) await bundle(basename(values.entry, '.ts'), values.entry);
else for (const name of wanted) await bundle(name, `${name}/main.ts`);

async function bundle(name, entry) {
  const started = performance.now();
  const outfile = join(values.out, `${name}.js`);
  rmSync(`${outfile}.map`, { force: true });
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // A native addon that finds its binary beside its own files: it cannot be part of a bundle.
    external: ['koffi'],
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
  const kib = Math.round(statSync(outfile).size / 1024);
  console.log(`${name}.js: ${kib} KiB in ${Math.round(performance.now() - started)} ms`);
}

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}

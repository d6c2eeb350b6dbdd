import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  OUTSIDE_PERMISSIONS,
  RUN_LOOKUP_PERMISSIONS,
  RUN_PERMISSIONS,
} from '#operator/composition/permissions.ts';
import { customResourceDefinition } from './generated/definition.ts';
import { DEFINITIONS } from './generated/definitions.ts';
import { metricsPage } from './generated/metrics-page.ts';
import { refusalsPage } from './generated/refusals-page.ts';
import { sidecarMetricsPage } from './generated/sidecar-metrics-page.ts';
import { permissionRules } from './generated/permission-rules.ts';
import { permissionsPage } from './generated/permissions-page.ts';

/**
 * Writes what is generated: the CustomResourceDefinitions from the models, in `crds/` for people and in the chart, and what
 * the operator may do from its own list, in the chart.
 * With `--check` nothing is written, and the exit code says whether all is up to date.
 */

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const CRD_FOLDERS = ['crds', 'charts/mesh/files/crds'] as const;
const RULES_FOLDER = 'charts/mesh/files/permissions';
const FOLDERS = [...CRD_FOLDERS, RULES_FOLDER] as const;

function header(source: string): string {
  return `# Generated from ${source} by \`npm run generate\`. Do not edit.\n`;
}

/** Generated files: path from the root of the repository -> content. */
export function generated(): Map<string, string> {
  const files = new Map<string, string>();
  for (const definition of DEFINITIONS) {
    const text =
      header('core/model') +
      stringify(customResourceDefinition(definition), { lineWidth: 110, aliasDuplicateObjects: false });
    for (const folder of CRD_FOLDERS) files.set(`${folder}/${definition.plural}.yaml`, text);
  }
  const rules = {
    cluster: CLUSTER_PERMISSIONS,
    namespace: NAMESPACE_PERMISSIONS,
    outside: OUTSIDE_PERMISSIONS,
    run: RUN_PERMISSIONS,
    'run-lookup': RUN_LOOKUP_PERMISSIONS,
  };
  for (const [name, permissions] of Object.entries(rules)) {
    files.set(
      `${RULES_FOLDER}/${name}.yaml`,
      header('operator/composition/permissions.ts') + permissionRules(permissions),
    );
  }
  files.set('docs/reference/metrics.md', metricsPage());
  files.set('docs/reference/sidecar-metrics.md', sidecarMetricsPage());
  files.set('docs/reference/permissions.md', permissionsPage());
  files.set('docs/reference/refusals.md', refusalsPage());
  return files;
}

/** What differs between the generated files and those on disk, one sentence each. */
export function differences(root: string, files: ReadonlyMap<string, string>): string[] {
  const changed = [...files].flatMap(([path, text]) => {
    const found = readIfThere(join(root, path));
    if (found === text) return [];
    return [found === undefined ? `${path} is missing` : `${path} is out of date`];
  });
  return [...changed, ...leftOver(root, files).map((path) => `${path} is generated from nothing any more`)];
}

function leftOver(root: string, files: ReadonlyMap<string, string>): string[] {
  return FOLDERS.flatMap((folder) =>
    listIfThere(join(root, folder)).map((name) => `${folder}/${name}`),
  ).filter((path) => path.endsWith('.yaml') && !files.has(path));
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function main(argv: readonly string[]): number {
  const files = generated();
  const found = differences(ROOT, files);
  if (argv.includes('--check')) {
    for (const line of found) console.error(line);
    if (found.length > 0) console.error('Run `npm run generate` and commit what it writes.');
    return found.length > 0 ? 1 : 0;
  }
  for (const path of leftOver(ROOT, files)) rmSync(join(ROOT, path));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), text);
  }
  console.log(
    found.length > 0 ? `written: ${found.length} of ${files.size} files` : 'everything was up to date',
  );
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));

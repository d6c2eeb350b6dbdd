import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';

import { run } from '../cluster/command.ts';

/** A Kubernetes object as a chart writes it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a manifest of any kind; a test that looks for the wrong field fails
  readonly [field: string]: any;
}

export const CHART = join(import.meta.dirname, '../../charts/mesh');
export const NAMESPACE = 'mesh-system';

export interface RenderOptions {
  readonly values?: object;
  /** Such as "1.30.0"; default what this Helm takes for current. */
  readonly kubeVersion?: string;
}

/**
 * What `helm template` makes of the chart.
 *
 * @throws Error with Helm's words when it refuses
 */
export async function render(helm: string, options: RenderOptions = {}): Promise<Manifest[]> {
  const { stdout } = await template(helm, options);
  const documents = parseAllDocuments(stdout);
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    const [fault] = document.errors;
    if (fault) throw new Error(`what Helm rendered is not YAML: ${fault.message}`);
    const object = document.toJS() as Manifest | null;
    return object === null ? [] : [object];
  });
}

/** Why Helm refuses these values; empty when it takes them. */
export async function refusal(helm: string, values: object): Promise<string> {
  try {
    await template(helm, { values });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

async function template(
  helm: string,
  { values = {}, kubeVersion }: RenderOptions,
): Promise<{ stdout: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-chart-'));
  const file = join(folder, 'values.yaml');
  writeFileSync(file, stringify(values));
  const version = kubeVersion === undefined ? [] : ['--kube-version', kubeVersion];
  try {
    const result = await run(helm, [
      'template',
      'mesh',
      CHART,
      '--namespace',
      NAMESPACE,
      '--values',
      file,
      ...version,
    ]);
    if (result.code !== 0) throw new Error(result.stderr);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The one object of that kind and name. */
export function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found.length !== 1 || !found[0]) throw new Error(`${found.length} objects are ${kind} ${name}`);
  return found[0];
}

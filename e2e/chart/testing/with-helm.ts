import { jest } from '@jest/globals';

import { NO_HELM, helmPath } from '../../helm.ts';
import { NAMESPACE, find, render } from '../render.ts';
import type { Manifest } from '../render.ts';
import { CHANGED_VALUES } from '../values.ts';

// Each test starts Helm once or more, on machines that may be busy.
jest.setTimeout(120_000);

// Skipped where there is no Helm and none can be built: what is tested is what Helm itself makes of the chart.
const found = await helmPath();
/** Helm's program; empty where there is none. */
export const helm = found ?? '';
/** `describe` where there is Helm. */
export const describeHere = found === undefined ? describe.skip : describe;
/** Why tests are skipped, for their names. */
export const reason = found === undefined ? ` (skipped: ${NO_HELM})` : '';

/** The chart with its defaults, and with every value changed. */
export async function renderBoth(): Promise<[defaults: Manifest[], changed: Manifest[]]> {
  return Promise.all([render(helm), render(helm, { values: CHANGED_VALUES })]);
}

/** The operator's environment as the process will see it. */
export function operatorEnvironment(manifests: readonly Manifest[]): Record<string, string> {
  const env = find(manifests, 'Deployment', 'mesh-operator').spec.template.spec.containers[0].env as {
    name: string;
    value?: string;
    valueFrom?: { fieldRef: { fieldPath: string } };
  }[];
  const field: Record<string, string> = {
    'metadata.namespace': NAMESPACE,
    'metadata.name': 'mesh-operator-1',
  };
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [
      name,
      value ?? field[valueFrom?.fieldRef.fieldPath ?? ''] ?? '',
    ]),
  );
}

import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { logsDir } from '../cluster/paths.ts';

/** The value below which `share` percent of the values lie (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((share / 100) * sorted.length) - 1))] ?? NaN
  );
}

/** Prints a figure the suite measured and keeps it in `figures.jsonl` among the cluster's logs. */
export function report(name: string, figures: Readonly<Record<string, number | string>>): void {
  const line = JSON.stringify({ name, ...figures, at: new Date().toISOString() });
  process.stdout.write(`measured: ${line}\n`);
  mkdirSync(logsDir(), { recursive: true });
  appendFileSync(join(logsDir(), 'figures.jsonl'), `${line}\n`);
}

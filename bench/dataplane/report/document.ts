import { cpus, loadavg, release } from 'node:os';

import type { Options } from '../options.ts';
import type { Outcome } from '../run.ts';
import type { Row } from './comparison.ts';

/** Everything a run found, for programs. */
export function documentOf(options: Options, outcome: Outcome, rows: readonly Row[]): object {
  const { proxies, missing, originIs, openRate } = outcome;
  return {
    at: new Date().toISOString(),
    machine: machine(),
    options: { rounds: options.rounds, seconds: options.seconds, work: options.work },
    origin: originIs,
    openLoopRequestsPerSecond: openRate,
    proxies: proxies.map(({ name, kind, version, threads, verified }) => ({
      name,
      kind,
      version,
      threads,
      ...(verified ? { tls: { ...verified.agreed, resumed: verified.resumes } } : {}),
    })),
    missing,
    rows,
  };
}

/** What it was measured on. */
export function machine(): { cpu: string; cores: number; kernel: string; load: number } {
  const [first] = cpus();
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

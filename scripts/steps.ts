import { spawnSync } from 'node:child_process';

export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Why the step cannot run here; it is then named as skipped and does not fail the run. */
  readonly skip?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs even when an earlier step failed: for what must be cleared away. */
  readonly always?: boolean;
}

/**
 * Runs steps one after another with their output on the terminal, stops at the first failure, and prints a summary with times.
 *
 * @returns whether every step that could run passed
 */
export function runSteps(steps: readonly Step[]): boolean {
  const lines: string[] = [];
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) {
    if (step.skip !== undefined) {
      counts.skipped += 1;
      lines.push(`  skipped  ${step.name}: ${step.skip}`);
      continue;
    }
    if (counts.failed > 0 && !step.always) {
      lines.push(`  not run  ${step.name}`);
      continue;
    }
    console.log(`\n=== ${step.name}`);
    const started = Date.now();
    const [program, ...args] = step.command;
    const { status, error } = spawnSync(program, args, {
      stdio: 'inherit',
      env: { ...process.env, ...step.env },
    });
    if (error) console.error(`cannot run ${program}: ${error.message}`);
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    counts[status === 0 ? 'passed' : 'failed'] += 1;
    lines.push(`  ${status === 0 ? 'passed ' : 'FAILED '}  ${step.name} (${seconds} s)`);
  }
  console.log(
    `\n${lines.join('\n')}\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
  );
  return counts.failed === 0;
}

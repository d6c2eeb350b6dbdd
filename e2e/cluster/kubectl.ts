import { existsSync } from 'node:fs';
import { output, run } from './command.ts';
import { binary, buildKubectl } from './kubernetes-build.ts';
import { kubeconfigPath } from './paths.ts';
import type { Steps } from './steps.ts';

/**
 * Runs kubectl as the cluster's administrator.
 * @param input a manifest, for `apply -f -`
 * @throws CommandError when it fails
 */
export async function kubectl(args: string[], input?: string): Promise<string> {
  const program = existsSync(binary('kubectl')) ? binary('kubectl') : 'kubectl';
  const title = `kubectl ${args[0] ?? ''}`;
  return output(program, ['--kubeconfig', kubeconfigPath(), ...args], {
    title,
    ...(input === undefined ? {} : { input }),
  });
}

/** Takes the kubectl of the search path when it works at all, and builds one from the cluster's own source otherwise. */
export async function ensureKubectl(steps: Steps): Promise<void> {
  if (existsSync(binary('kubectl'))) return;
  const version = await run('kubectl', ['version', '--client', '--output=json']).catch(() => undefined);
  if (version?.code !== 0) await buildKubectl(steps);
}

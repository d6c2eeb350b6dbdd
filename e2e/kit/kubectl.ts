import { stringify } from 'yaml';

import { kubeconfigPath } from '../cluster/paths.ts';
import { run, runOk } from './run.ts';
import type { RunOptions, RunResult } from './run.ts';

const withCluster = (options: RunOptions): RunOptions => ({
  ...options,
  env: { KUBECONFIG: kubeconfigPath(), ...options.env },
});

/** Runs the real `kubectl` against the test cluster; throws when it fails. */
export function kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
  return runOk(['kubectl', ...args], withCluster(options));
}

/** Runs the real `kubectl` against the test cluster and gives its exit code as well. */
export function tryKubectl(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return run(['kubectl', ...args], withCluster(options));
}

/** `kubectl apply` of manifests given as text or objects. */
export function apply(...manifests: readonly (string | object)[]): Promise<string> {
  return kubectl(['apply', '-f', '-'], { input: manifests.map(toYaml).join('\n---\n') });
}

/** `kubectl apply` that is expected to be refused; gives what kubectl printed. */
export async function applyRefused(...manifests: readonly (string | object)[]): Promise<string> {
  const input = manifests.map(toYaml).join('\n---\n');
  const { stderr, stdout, code } = await tryKubectl(['apply', '-f', '-'], { input });
  if (code === 0) throw new Error(`kubectl apply was expected to be refused, but:\n${stdout}\n${input}`);
  return stderr;
}

/** An object as JSON; undefined when there is none of that name. */
export async function getJson<T = Record<string, unknown>>(args: readonly string[]): Promise<T | undefined> {
  const { stdout, stderr, code } = await tryKubectl(['get', ...args, '-o', 'json']);
  if (code !== 0 && stderr.includes('NotFound')) return undefined;
  if (code !== 0) throw new Error(`kubectl get ${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Runs a program in a pod's container. */
export function exec(pod: PodRef, command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return tryKubectl(
    ['exec', '-i', '-n', pod.namespace, pod.name, '-c', pod.container, '--', ...command],
    options,
  );
}

/** Like {@link exec}; throws when the program fails. */
export async function execOk(
  pod: PodRef,
  command: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { stdout, stderr, code } = await exec(pod, command, options);
  if (code !== 0)
    throw new Error(
      `in ${pod.namespace}/${pod.name}: ${command.join(' ')} exited with ${code}\n${stdout}${stderr}`,
    );
  return stdout;
}

/** What a container has logged. */
export function logs(pod: PodRef, args: readonly string[] = []): Promise<string> {
  return kubectl(['logs', '-n', pod.namespace, pod.name, '-c', pod.container, ...args]);
}

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly container: string;
}

function toYaml(manifest: string | object): string {
  return typeof manifest === 'string' ? manifest : stringify(manifest);
}

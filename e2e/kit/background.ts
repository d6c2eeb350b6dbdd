import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

import { kubeconfigPath } from '../cluster/paths.ts';
import { eventually } from './eventually.ts';
import type { PodRef } from './kubectl.ts';

/** A program that runs inside a pod while the test goes on, and the lines it has printed. */
export class Background {
  readonly #child: ChildProcess;
  #output = '';
  #ended = false;

  constructor(pod: PodRef, command: readonly string[]) {
    this.#child = spawn(
      'kubectl',
      ['exec', '-i', '-n', pod.namespace, pod.name, '-c', pod.container, '--', ...command],
      {
        env: { ...process.env, KUBECONFIG: kubeconfigPath() },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.#child.on('close', () => (this.#ended = true));
  }

  get output(): string {
    return this.#output;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The whole JSON lines printed so far. */
  get events(): readonly (Record<string, unknown> & { event?: string; at: number })[] {
    return this.#output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown> & { event?: string; at: number });
  }

  /** Waits for an event of that name, optionally one that came after a moment (Unix time, milliseconds). */
  async event(
    name: string,
    { after = 0, timeoutMs = 30_000 } = {},
  ): Promise<Record<string, unknown> & { at: number }> {
    try {
      return await eventually(
        `event ${name}`,
        () => this.events.find((event) => event.event === name && (event.at ?? Infinity) >= after),
        { timeoutMs, everyMs: 20 },
      );
    } catch {
      throw new Error(
        `no event ${name} of a program in a pod, which ${this.#ended ? 'has ended' : 'still runs'} and printed:\n${this.#output.slice(-2000)}`,
      );
    }
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits for the program's end. */
  async end(timeoutMs = 30_000): Promise<string> {
    await eventually('the end of a program in a pod', () => (this.#ended ? true : undefined), {
      timeoutMs,
      everyMs: 50,
    });
    return this.#output;
  }

  /** Ends it; safe to call twice. */
  stop(): void {
    if (!this.#ended) this.#child.kill('SIGKILL');
  }
}

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const OUTPUT_TAIL = 4_000;

/** A process that attacks, apart from the one that measures. It yields the processor to everybody else, as one of many pods would. */
export class Attacker {
  readonly #child: ChildProcess;
  #said = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream
        ?.setEncoding('utf8')
        .on('data', (text: string) => (this.#said = (this.#said + text).slice(-OUTPUT_TAIL)));
  }

  /**
   * Starts a program; it gets `order` as JSON in its first argument.
   *
   * @param program its TypeScript source
   */
  static start(program: URL, order: object): Attacker {
    const args = [
      '-n',
      '10',
      process.execPath,
      '--import',
      'tsx',
      fileURLToPath(program),
      JSON.stringify(order),
    ];
    return new Attacker(spawn('nice', args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** The end of what it wrote. */
  get said(): string {
    return this.#said;
  }

  /** Resolves when it wrote `text`. @throws Error when it ended before */
  async says(text: string): Promise<void> {
    while (!this.#said.includes(text)) {
      if (this.#child.exitCode !== null) throw new Error(`the attacker has ended: ${this.#said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

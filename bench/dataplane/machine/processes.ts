import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** How to start a program. */
export interface Start {
  /** What to call it in an error message. */
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** With a channel for messages, as `fork` makes it. */
  readonly channel?: boolean;
}

const OUTPUT_TAIL = 2_000;
/** How long a program may take to end in peace, milliseconds. */
const PATIENCE_MS = 2_000;

/** A program that was started, with its children in a process group of its own. */
export class Running {
  readonly child: ChildProcess;
  readonly #title: string;
  readonly #ended: Promise<void>;
  #isOver = false;
  #said = '';

  constructor({ title, program, args, env, channel }: Start) {
    this.#title = title;
    // Ten thousand streams need more descriptors than most machines give by default; who may not raise the limit goes on with it.
    const script = 'ulimit -n 65536 2>/dev/null; exec "$0" "$@"';
    this.child = spawn('sh', ['-c', script, program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...(channel ? (['ipc'] as const) : [])],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-OUTPUT_TAIL);
      });
    this.#ended = new Promise((resolve) => {
      const over = (): void => {
        this.#isOver = true;
        resolve();
      };
      this.child.once('exit', over).once('error', over);
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** That it has ended, and the end of its output. */
  get end(): Error {
    const lines = this.#said.trim().split('\n');
    const last = lines.find((line) => /fatal|error/i.test(line)) ?? lines.at(-1);
    return new Error(`${this.#title} has ended: ${last || 'without a word'}`);
  }

  /** @throws Error with the end of the program's output, when it has ended */
  requireAlive(): void {
    if (this.#isOver) throw this.end;
  }

  /** The program ends, in peace or not. */
  async stop(): Promise<void> {
    if (!this.#isOver) this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), PATIENCE_MS);
    await this.#ended;
    clearTimeout(timer);
    // Children that outlived it.
    this.signal('SIGKILL');
  }

  /** To the whole group; nothing happens when it is gone. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Everything that was started and not stopped yet. */
export class Processes {
  readonly #running = new Set<Running>();

  start(what: Start): Running {
    const running = new Running(what);
    this.#running.add(running);
    return running;
  }

  async stop(...those: readonly Running[]): Promise<void> {
    await Promise.all(those.map((one) => one.stop()));
    for (const one of those) this.#running.delete(one);
  }

  async stopAll(): Promise<void> {
    await this.stop(...this.#running);
  }

  /** At once, without waiting: for when this process is about to end. */
  killAll(): void {
    for (const one of this.#running) one.signal('SIGKILL');
  }
}

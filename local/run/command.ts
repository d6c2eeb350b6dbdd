import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

import { CliError } from '../cli-error.ts';

/** Exit codes of shells (POSIX.1-2024, 2.8.2). */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNALLED = 128;

/** The process that is run beside a sidecar. */
export class Command {
  readonly #child: ChildProcess;
  /** Its exit code, once it has ended; 128 and the number of the signal when one ended it. */
  readonly ended: Promise<number>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) =>
        resolve(code ?? SIGNALLED + (signal ? constants.signals[signal] : 0)),
      );
    });
  }

  /**
   * Starts a program with the terminal of this process.
   *
   * @throws CliError 127 when there is no such program, 126 when it cannot be run
   */
  static async start([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<Command> {
    const child = spawn(program, args, { stdio: 'inherit', env });
    const command = new Command(child);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error: NodeJS.ErrnoException) => reject(cannotRun(program, error)));
    });
    child.on('error', () => undefined);
    return command;
  }

  /** Passes a signal on. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}

function cannotRun(program: string, { code, message }: NodeJS.ErrnoException): CliError {
  if (code === 'ENOENT') return new CliError(`there is no command ${JSON.stringify(program)}`, NOT_FOUND);
  return new CliError(`the command ${JSON.stringify(program)} cannot be run: ${message}`, NOT_EXECUTABLE);
}

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program under test in a folder of its own, which goes with it. */
export class ServerProcess {
  readonly dir = mkdtempSync(join(tmpdir(), 'mesh-authority-'));
  #child: ChildProcess | undefined;
  #output = '';

  /** Writes a file and returns its path. */
  file(name: string, content: string): string {
    const path = join(this.dir, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /** What a file of the folder holds. */
  read(name: string): string {
    return readFileSync(join(this.dir, name), 'utf8');
  }

  /** All it has written. */
  get output(): string {
    return this.#output;
  }

  /** Starts the program, and waits until what it writes matches. */
  async start(
    program: string,
    args: readonly string[],
    ready: RegExp,
    env: Readonly<Record<string, string>> = {},
  ): Promise<RegExpExecArray> {
    this.#output = '';
    const child = spawn(program, args, {
      cwd: this.dir,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    return new Promise((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        this.#output += chunk.toString();
        const found = ready.exec(this.#output);
        if (found) resolve(found);
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${this.#output.slice(-2000)}`)));
    });
  }

  /** Ends the program, and waits for it. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The `openssl` program in a folder of its own: a second opinion on what we write, and a maker of what a polite library will not. */
export class OpenSsl {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mesh-openssl-'));

  /** Writes a file that later commands name. */
  file(name: string, content: string | Uint8Array): void {
    writeFileSync(join(this.#folder, name), content);
  }

  read(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }

  /** What a command printed; throws when it fails. */
  run(...args: readonly string[]): string {
    return execFileSync('openssl', args, {
      cwd: this.#folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Whether a command succeeds, and all it printed. */
  try(...args: readonly string[]): { readonly ok: boolean; readonly output: string } {
    const { status, stdout, stderr } = spawnSync('openssl', args, { cwd: this.#folder, encoding: 'utf8' });
    return { ok: status === 0, output: stdout + stderr };
  }

  /**
   * A certificate request, PEM.
   *
   * @param options arguments of `openssl req -new` besides key and output, such as `['-subj', '/CN=db']`
   * @param keyArguments arguments of `openssl genpkey`
   */
  request(
    options: readonly string[],
    keyArguments: readonly string[] = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ): string {
    this.run('genpkey', ...keyArguments, '-out', 'request.key');
    this.file('empty.cnf', '[req]\ndistinguished_name=dn\n[dn]\n');
    this.run('req', '-new', '-config', 'empty.cnf', '-key', 'request.key', '-out', 'request.csr', ...options);
    return this.read('request.csr').toString();
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

import { mkdtemp, rename, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Clock, Timer } from '#kube/clock.ts';

const RENEW_EVERY_MS = 20 * 60_000;
const RETRY_MS = 10_000;

/** A token in a file that only its owner can read, replaced before it ends, as the kubelet does for pods. */
export class TokenFile {
  readonly path: string;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #issue: () => Promise<string>;
  #timer: Timer | undefined;

  private constructor(folder: string, issue: () => Promise<string>, clock: Clock) {
    this.#folder = folder;
    this.path = join(folder, 'token');
    this.#issue = issue;
    this.#clock = clock;
  }

  /** @param issue makes a token that is good for an hour */
  static async start(issue: () => Promise<string>, clock: Clock): Promise<TokenFile> {
    const file = new TokenFile(await mkdtemp(join(tmpdir(), 'mesh-run-')), issue, clock);
    await file.#write();
    file.#later(RENEW_EVERY_MS);
    return file;
  }

  stop(): void {
    this.#timer?.cancel();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #write(): Promise<void> {
    const next = `${this.path}.next`;
    await writeFile(next, await this.#issue(), { mode: 0o600 });
    await rename(next, this.path);
  }

  #later(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#write().then(
        () => this.#later(RENEW_EVERY_MS),
        () => this.#later(RETRY_MS),
      );
    }, ms);
  }
}

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { cacheDir } from '../../../e2e/cluster/paths.ts';
import type { PeerCertificates } from './certificates.ts';
import { Debian } from '#base/testing/debian.ts';
import { Processes } from './processes.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** What all parts of the benchmark share: where files go, what runs, whom it tells how far it is. */
export class House {
  readonly processes = new Processes();
  readonly debian: Debian;
  readonly certificates: PeerCertificates;
  /** The Node that runs our proxies and the load. */
  readonly node: string;
  readonly say: (line: string) => void;
  /** Lasts from run to run. */
  readonly cache = join(cacheDir(), 'bench');
  /** Gone at the end. */
  readonly dir = mkdtempSync(join(tmpdir(), 'mesh-bench-'));
  #files = 0;

  constructor(given: {
    readonly certificates: PeerCertificates;
    readonly node: string;
    readonly say: (line: string) => void;
  }) {
    this.certificates = given.certificates;
    this.node = given.node;
    this.say = given.say;
    mkdirSync(this.cache, { recursive: true });
    // Where bundles find what cannot be part of them.
    symlinkSync(join(ROOT, 'node_modules'), join(this.dir, 'node_modules'));
    this.debian = new Debian(this.cache);
  }

  /** Writes a file of its own and returns its path. */
  file(name: string, text: string): string {
    const path = join(this.dir, `${(this.#files += 1)}-${name}`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Bundles a program of this folder as the sidecar is bundled. */
  async bundle(entry: string, name: string): Promise<string> {
    await promisify(execFile)(process.execPath, ['scripts/build.mjs', '--entry', entry, '--out', this.dir], {
      cwd: ROOT,
    });
    return join(this.dir, `${name}.js`);
  }

  async close(): Promise<void> {
    await this.processes.stopAll();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** As {@link close}, for when there is no time left. */
  abandon(): void {
    this.processes.killAll();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

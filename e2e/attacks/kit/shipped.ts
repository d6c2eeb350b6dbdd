import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { parse } from 'yaml';

import { parseQuantity } from '#core/quantity.ts';

import { shippedNode } from '../../cluster/shipped-node.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Programs as the images have them: bundled, on the images' Node, with the images' flags. */
export class Shipped {
  readonly node: string;
  /** For files of the run. Gone at the end. */
  readonly dir: string;
  #files = 0;

  private constructor(node: string) {
    this.node = node;
    this.dir = mkdtempSync(join(tmpdir(), 'mesh-attack-'));
    // Where bundles find what cannot be part of them.
    symlinkSync(join(ROOT, 'node_modules'), join(this.dir, 'node_modules'));
  }

  /** Fetches the images' Node the first time, which takes a minute. */
  static async prepare(): Promise<Shipped> {
    return new Shipped(await shippedNode());
  }

  /**
   * Bundles a program in the way in which the images' are.
   *
   * @param entry path of its source, from the project's root
   * @returns path of the bundle
   */
  async bundle(entry: string, name: string): Promise<string> {
    await promisify(execFile)(process.execPath, ['scripts/build.mjs', '--entry', entry, '--out', this.dir], {
      cwd: ROOT,
    });
    return join(this.dir, `${name}.js`);
  }

  /**
   * Bundles a process of the product, all of its files.
   *
   * @returns path of the program
   */
  async process(name: 'operator' | 'sidecar'): Promise<string> {
    const args = ['scripts/build.mjs', name, '--out', this.dir];
    await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    return join(this.dir, `${name}.js`);
  }

  /** Writes a file of its own and returns its path. */
  file(name: string, text: string): string {
    const path = join(this.dir, `${(this.#files += 1)}-${name}`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/**
 * What an image sets in the environment that decides how Node and the C library use memory and TLS.
 *
 * @param image `sidecar` or `operator`
 */
export function imageEnvironment(image: 'sidecar' | 'operator'): Readonly<Record<string, string>> {
  const dockerfile = readFileSync(join(ROOT, `Dockerfile.${image}`), 'utf8');
  const found: Record<string, string> = {};
  for (const name of ['NODE_ENV', 'NODE_OPTIONS', 'MALLOC_ARENA_MAX']) {
    const [, quoted, bare] = new RegExp(`\\b${name}=(?:"([^"]*)"|(\\S+))`).exec(dockerfile) ?? [];
    const value = quoted ?? bare;
    if (value !== undefined) found[name] = value;
  }
  if (found['NODE_OPTIONS'] === undefined)
    throw new Error(`Dockerfile.${image} sets no NODE_OPTIONS any more`);
  return found;
}

/** The memory limit that the chart ships, bytes. */
export function shippedMemoryLimit(part: 'sidecar' | 'operator'): number {
  const values = parse(readFileSync(join(ROOT, 'charts/mesh/values.yaml'), 'utf8')) as Readonly<
    Record<string, { readonly resources?: { readonly limits?: { readonly memory?: string } } }>
  >;
  const bytes = parseQuantity(values[part]?.resources?.limits?.memory ?? '');
  if (bytes === undefined) throw new Error(`charts/mesh/values.yaml sets no ${part}.resources.limits.memory`);
  return bytes;
}

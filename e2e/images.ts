/** Builds every image the suite and the demo need, and makes them usable by pods of the test cluster. */
import { readFileSync } from 'node:fs';

import { contextHash } from './cluster/build-context.ts';
import type { BuildRequest } from './cluster/build-image.ts';
import { buildImage } from './cluster/build-image.ts';
import { chooseBackend } from './cluster/choose.ts';
import { Steps } from './cluster/steps.ts';

type Image = Pick<BuildRequest, 'file' | 'name' | 'context'> & {
  /** Which of these it is built from; its Dockerfile takes what that one was built of as the argument `BASE`. */
  readonly from?: string;
};

const IMAGES: Readonly<Record<string, Image>> = {
  operator: { file: 'Dockerfile.operator', name: 'mesh.dev/operator:e2e', context: '.' },
  sidecar: { file: 'Dockerfile.sidecar', name: 'mesh.dev/sidecar:e2e', context: '.' },
  examples: { file: 'examples/Dockerfile', name: 'mesh.dev/examples:latest', context: 'examples' },
  toolbox: {
    file: 'e2e/toolbox/Dockerfile',
    name: 'mesh.dev/e2e-toolbox:e2e',
    context: 'e2e/toolbox',
    from: 'examples',
  },
};

/**
 * Builds the named images (all when none is named) and those they are built from, in the order in which they build on each other.
 *
 * @throws Error naming the images there are, when one is not known
 */
export async function buildImages(
  names: readonly string[] = Object.keys(IMAGES),
  steps = new Steps(),
): Promise<void> {
  const unknown = names.filter((name) => !(name in IMAGES));
  if (unknown.length > 0) {
    throw new Error(`no such image: ${unknown.join(', ')}; there are ${Object.keys(IMAGES).join(', ')}`);
  }
  const wanted = new Set(names.flatMap((name) => [name, IMAGES[name]?.from ?? name]));
  const backend = await chooseBackend();
  const { up } = await backend.status();
  for (const [name, image] of Object.entries(IMAGES).filter(([name]) => wanted.has(name))) {
    const { archive, built } = await buildImage({ ...image, noCache: false, args: baseOf(image) }, steps);
    if (up) await backend.loadImage(archive);
    steps.say(`${name}: ${built ? 'built' : 'unchanged'}${up ? ', loaded' : ''}`);
  }
}

/** A build is left out when nothing has changed; what it is built from is part of that. */
function baseOf({ from }: Image): string[] {
  const base = from === undefined ? undefined : IMAGES[from];
  return base ? [`BASE=${contextHash(base.context, [readFileSync(base.file, 'utf8')])}`] : [];
}

if (process.argv[1] === import.meta.filename) {
  try {
    await buildImages(process.argv.length > 2 ? process.argv.slice(2) : undefined);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

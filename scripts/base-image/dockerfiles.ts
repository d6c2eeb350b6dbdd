/** Dockerfiles that build on the public image of Node. */
export const DOCKERFILES = [
  'Dockerfile.operator',
  'Dockerfile.sidecar',
  'examples/Dockerfile',
  'e2e/cluster/verify/Dockerfile',
] as const;

const LINE = /^ARG NODE_IMAGE=(.*)$/m;
const PINNED = /^[^\s@]+:[^\s@:]+@sha256:[0-9a-f]{64}$/;

/**
 * Reads which image a Dockerfile builds on.
 *
 * @param text of the Dockerfile
 * @returns its name with tag and digest; undefined when it names none by digest
 */
export function pinnedBase(text: string): string | undefined {
  const base = LINE.exec(text)?.[1]?.trim();
  return base !== undefined && PINNED.test(base) ? base : undefined;
}

/**
 * Puts another base into a Dockerfile.
 *
 * @param text of the Dockerfile
 * @param base the image's name with tag and digest
 * @throws Error when the Dockerfile has no place for it, or the base has no digest
 */
export function withBase(text: string, base: string): string {
  if (!PINNED.test(base)) throw new Error(`${JSON.stringify(base)} is not an image with tag and digest.`);
  if (!LINE.test(text)) throw new Error('The Dockerfile has no line `ARG NODE_IMAGE=IMAGE`.');
  return text.replace(LINE, () => `ARG NODE_IMAGE=${base}`);
}

/**
 * Names what a Dockerfile builds on, or copies from, that can change without the Dockerfile.
 *
 * @param text of the Dockerfile
 * @param ours names of images that are built from this repository
 */
export function unpinned(text: string, ours: readonly string[]): readonly string[] {
  const stages = [...text.matchAll(/^FROM\s.*\sAS\s+(\S+)\s*$/gim)].map(([, stage]) => stage ?? '');
  const froms = [...text.matchAll(/^FROM\s+(?:--\S+\s+)*(\S+)/gim)].map(([, image]) => image ?? '');
  const copies = [...text.matchAll(/^(?:COPY|ADD|RUN)\s.*?(?:--from=|,from=)([^\s,]+)/gim)].map(
    ([, image]) => image ?? '',
  );
  const fixed = new Set(['scratch', ...stages, ...ours, ...(pinnedBase(text) ? ['${NODE_IMAGE}'] : [])]);
  return [...froms, ...copies].filter((image) => !fixed.has(image) && !PINNED.test(image));
}

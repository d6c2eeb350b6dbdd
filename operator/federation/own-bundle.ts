import { createHash } from 'node:crypto';

import type { OwnBundleStatus } from '#core/model/federation.ts';
import type { RootStatus } from '#core/model/mesh-config.ts';

/**
 * The number of our own bundle: one more whenever the roots are others. It begins with the time, in seconds, so that a mesh
 * that was set up again does not begin below where others have seen it.
 */
export function ownBundle(
  previous: OwnBundleStatus | undefined,
  roots: readonly RootStatus[],
  now: number,
): OwnBundleStatus {
  const id = fingerprint(rootIds(roots));
  if (previous?.id === id) return previous;
  return { id, sequence: previous ? previous.sequence + 1 : Math.floor(now / 1000) };
}

function rootIds(roots: readonly RootStatus[]): string {
  return roots
    .map(({ id }) => id)
    .sort()
    .join('\n');
}

/** Sixteen characters that stand for a text: another text has others. */
export function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

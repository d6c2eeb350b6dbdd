import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { commitRoot, pushArchive } from './buildah.ts';
import { clusterDir, imagesDir } from './paths.ts';
import type { Steps } from './steps.ts';

/** The image of each pod's sandbox: it holds the pod's network namespace open and reaps orphans. The tag counts our changes to it. */
export const pauseImage = 'mesh.dev/e2e-pause:1';

/** Where the archive of {@link pauseImage} lies. */
function pauseArchive(): string {
  return join(imagesDir(), 'pause-1.oci.tar');
}

/** Makes the sandbox image from Debian's static busybox, once. */
export async function makePauseImage(steps: Steps): Promise<void> {
  if (existsSync(pauseArchive())) return;
  steps.say('making the sandbox image');
  const root = join(clusterDir(), 'pause-root');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(imagesDir(), { recursive: true });
  cpSync('/bin/busybox', join(root, 'bin', 'busybox'));
  const script = 'trap "exit 0" TERM INT; while :; do /bin/busybox sleep 1000000 & wait $!; done';
  const entrypoint = JSON.stringify(['/bin/busybox', 'sh', '-c', script]);
  await commitRoot(pauseImage, root, ['--entrypoint', entrypoint]);
  await pushArchive(pauseImage, pauseArchive());
  rmSync(root, { recursive: true, force: true });
}

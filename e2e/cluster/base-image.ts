import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildah, inspectImage } from './buildah.ts';
import { output } from './command.ts';
import { aptSources } from '#base/testing/apt-sources.ts';
import { withLock } from './lock.ts';
import { aptSettings } from './passthrough.ts';
import { clusterDir, logsDir } from './paths.ts';
import { shippedNodePackage, unpackPackage } from './shipped-node.ts';
import type { NpmPackage } from './shipped-node.ts';
import type { Steps } from './steps.ts';

/** The names that Dockerfiles say. The images made here stand in for the public ones where no registry can be reached. */
export const debianImage = 'docker.io/library/debian:bookworm-slim';
export const nodeImage = 'docker.io/library/node:24-bookworm-slim';

const npm: NpmPackage = {
  name: 'npm',
  version: '11.21.2',
  integrity:
    'sha512-7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq9A==',
};
/** To be raised when what follows changes in another way than the versions do. */
const recipe = `1-${shippedNodePackage.version}-${npm.version}`;
/** An image's mark, by which a later run knows whether it is current. */
const mark = 'dev.mesh.e2e.recipe';

/**
 * Makes both base images unless they are there, for the same recipe.
 * @param force makes them in any case, which also brings Debian's latest updates
 * @throws CommandError with the end of the log of the step that failed
 */
export async function ensureBaseImages(steps: Steps, force = false): Promise<void> {
  await withLock(async () => {
    if (force || !(await isCurrent(debianImage))) await makeDebian(steps);
    if (force || !(await isCurrent(nodeImage))) await makeNode(steps);
  }, 'base-image.lock');
}

async function isCurrent(name: string): Promise<boolean> {
  return (await inspectImage(name))?.labels[mark] === recipe;
}

async function makeDebian(steps: Steps): Promise<void> {
  steps.say(`making ${debianImage} (about a minute)`);
  const work = emptyFolder('debian-root');
  const archive = join(work, 'root.tar');
  const options = ['--variant=minbase', '--mode=root', '--skip=check/qemu'];
  for (const line of (await aptSettings()).split('\n').filter((text) => text !== ''))
    options.push(`--aptopt=${line}`);
  // What the public slim image leaves out, too.
  for (const path of ['/usr/share/man/*', '/usr/share/info/*', '/usr/share/doc/*', '/usr/share/locale/*'])
    options.push(`--dpkgopt=path-exclude=${path}`);
  options.push('--dpkgopt=path-include=/usr/share/doc/*/copyright');
  // The machine's settings are for the making only; builds are given theirs afresh.
  options.push('--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"');
  const input = aptSources('deb');
  await output('mmdebstrap', [...options, 'bookworm', archive, '-'], {
    input,
    log: join(logsDir(), 'base-image.log'),
  });
  await commit(
    debianImage,
    'scratch',
    [[archive, '/']],
    ['--cmd', '["bash"]', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  );
  rmSync(work, { recursive: true, force: true });
}

async function makeNode(steps: Steps): Promise<void> {
  steps.say(`making ${nodeImage}`);
  const work = emptyFolder('node-root');
  const root = join(work, 'root');
  const local = join(root, 'usr', 'local');
  for (const folder of ['bin', 'lib/node_modules']) mkdirSync(join(local, folder), { recursive: true });
  cpSync(join(await unpackPackage(work, shippedNodePackage), 'bin', 'node'), join(local, 'bin', 'node'));
  cpSync(await unpackPackage(work, npm), join(local, 'lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name));
  const script =
    'groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node';
  await commit(
    nodeImage,
    debianImage,
    [[root, '/']],
    ['--cmd', '["node"]', '--env', `NODE_VERSION=${shippedNodePackage.version}`],
    script,
  );
  rmSync(work, { recursive: true, force: true });
}

async function commit(
  name: string,
  from: string,
  content: [string, string][],
  config: string[],
  script?: string,
): Promise<void> {
  const container = (await buildah(['from', '--quiet', '--pull-never', from])).trim();
  try {
    for (const [source, target] of content) await buildah(['add', '--quiet', container, source, target]);
    if (script !== undefined) await buildah(['run', '--isolation', 'chroot', container, 'sh', '-c', script]);
    await buildah(['config', '--label', `${mark}=${recipe}`, ...config, container]);
    await buildah(['commit', '--quiet', container, name]);
  } finally {
    await buildah(['rm', container]);
  }
}

function emptyFolder(name: string): string {
  const folder = join(clusterDir(), name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

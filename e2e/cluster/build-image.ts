import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { debianImage, ensureBaseImages, nodeImage } from './base-image.ts';
import { contextHash } from './build-context.ts';
import { buildah, inspectImage, policyFile, pushArchive } from './buildah.ts';
import { chooseBackend } from './choose.ts';
import { output } from './command.ts';
import { archiveOf } from './image-archives.ts';
import { withLock } from './lock.ts';
import { withArguments, withPassthrough } from './passthrough.ts';
import { imagesDir, logsDir } from './paths.ts';
import type { Steps } from './steps.ts';

/** What is to be built. */
export interface BuildRequest {
  /** Path of the Dockerfile. */
  file: string;
  /** The image's name with its tag, such as `mesh.dev/sidecar:e2e`. */
  name: string;
  /** The build's folder. */
  context: string;
  /** Builds even when nothing has changed, and from the first line. */
  noCache?: boolean;
  /** `--build-arg` values, each `NAME=value`. */
  args?: string[];
  /** The stage to build; the last one by default. */
  target?: string;
}

/** The outcome of a build. */
export interface BuildResult {
  /** The archive to load. */
  archive: string;
  /** False when nothing had changed since the last build. */
  built: boolean;
}

/** Builds an image with the engine that is there anyway where kind works. Not tried by its authors, as kind itself is not. */
async function buildWithDocker(
  { file, name, context, noCache = false, args = [], target }: BuildRequest,
  steps: Steps,
): Promise<BuildResult> {
  steps.say(`building ${name}`);
  const archive = archiveOf(name);
  mkdirSync(imagesDir(), { recursive: true });
  const options = [
    ...(noCache ? ['--no-cache'] : []),
    ...args.flatMap((arg) => ['--build-arg', arg]),
    ...(target === undefined ? [] : ['--target', target]),
  ];
  await output('docker', ['build', ...options, '--file', file, '--tag', name, context], {
    log: buildLog(name),
  });
  await output('docker', ['save', '--output', archive, name]);
  return { archive, built: true };
}

/**
 * Builds an image for the cluster of this machine: with its Docker engine where the cluster is kind's, else with buildah in a chroot, which
 * works where no container engine can run.
 * @throws CommandError with the end of the build's log
 */
export async function buildImage(request: BuildRequest, steps: Steps): Promise<BuildResult> {
  const { builder } = await chooseBackend();
  const build = builder === 'docker' ? buildWithDocker : buildWithBuildah;
  return withLock(() => build(request, steps), `build-${basename(archiveOf(request.name))}.lock`);
}

async function buildWithBuildah(
  { file, name, context, noCache = false, args = [], target }: BuildRequest,
  steps: Steps,
): Promise<BuildResult> {
  await ensureBaseImages(steps);
  const archive = archiveOf(name);
  const hashFile = `${archive}.hash`;
  const bases = await Promise.all([debianImage, nodeImage].map((base) => inspectImage(base)));
  const hash = contextHash(resolve(context), [
    readFileSync(file, 'utf8'),
    name,
    target ?? '',
    ...args,
    ...bases.map((base) => base?.id ?? ''),
  ]);
  if (!noCache && existsSync(archive) && existsSync(hashFile) && readFileSync(hashFile, 'utf8') === hash)
    return { archive, built: false };

  steps.say(`building ${name}`);
  mkdirSync(imagesDir(), { recursive: true });
  const options = ['--isolation', 'chroot', '--layers', '--pull-never', '--signature-policy', policyFile()];
  if (noCache) options.push('--no-cache');
  // Dockerfiles name the public image by digest; what is built here has another.
  for (const arg of [...args, `NODE_IMAGE=${nodeImage}`]) options.push('--build-arg', arg);
  if (target !== undefined) options.push('--target', target);
  const log = buildLog(name);
  await withPassthrough(async ({ source, target: mounted, env }) => {
    const dockerfile = join(source, 'Dockerfile');
    writeFileSync(dockerfile, withArguments(readFileSync(file, 'utf8'), Object.keys(env)));
    const values = Object.entries(env).flatMap(([variable, value]) => [
      '--build-arg',
      `${variable}=${value}`,
    ]);
    const place = ['--volume', `${source}:${mounted}:ro`, '--file', dockerfile, '--tag', name];
    await buildah(['build', ...options, ...values, ...place, context], { log });
  });
  await pushArchive(name, archive);
  writeFileSync(`${hashFile}.partial`, hash);
  renameSync(`${hashFile}.partial`, hashFile);
  return { archive, built: true };
}

/** A fresh log for the build of an image. */
function buildLog(name: string): string {
  const log = join(logsDir(), `build-${basename(archiveOf(name), '.tar')}.log`);
  mkdirSync(logsDir(), { recursive: true });
  writeFileSync(log, '');
  return log;
}

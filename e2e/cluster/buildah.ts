import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, run, type CommandOptions } from './command.ts';
import { clusterDir } from './paths.ts';

let driver: Promise<string> | undefined;

/**
 * Runs buildah on a storage of our own, so that the machine's other images are neither seen nor changed.
 * @throws CommandError when it fails
 */
export async function buildah(args: string[], options: CommandOptions = {}): Promise<string> {
  const title = `buildah ${args[0] ?? ''}`;
  return output('setpriv', [...confined, ...(await storage()), ...args], { title, ...options });
}

/** Runs buildah in namespaces of its own, which end with us: a build that is killed leaves neither processes nor mounts. */
const confined = [
  '--pdeathsig',
  'KILL',
  'unshare',
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
  'buildah',
];

/** What our storage knows of an image; undefined when it has none of that name. */
export async function inspectImage(
  name: string,
): Promise<{ id: string; labels: Record<string, string> } | undefined> {
  const { code, stdout } = await run('setpriv', [
    ...confined,
    ...(await storage()),
    'inspect',
    '--type',
    'image',
    name,
  ]);
  if (code !== 0) return undefined;
  const image = JSON.parse(stdout) as {
    FromImageID: string;
    OCIv1: { config?: { Labels?: Record<string, string> } };
  };
  return { id: image.FromImageID, labels: image.OCIv1.config?.Labels ?? {} };
}

/** The folder of our storage. */
function storageDir(): string {
  return join(clusterDir(), 'buildah');
}

/** The arguments of buildah that select our storage. */
async function storage(): Promise<string[]> {
  driver ??= chooseDriver();
  return [
    '--root',
    join(storageDir(), 'root'),
    '--runroot',
    join(storageDir(), 'run'),
    '--storage-driver',
    await driver,
  ];
}

/** overlay shares layers and is fast; where the kernel or the file system refuses it, vfs copies them and always works. */
async function chooseDriver(): Promise<string> {
  if (existsSync(join(storageDir(), 'root', 'overlay-images'))) return 'overlay';
  if (existsSync(join(storageDir(), 'root', 'vfs-images'))) return 'vfs';
  const trial = join(storageDir(), 'trial');
  for (const folder of ['lower', 'upper', 'work', 'merged'])
    mkdirSync(join(trial, folder), { recursive: true });
  const at = (folder: string): string => join(trial, folder);
  const mounted = await run('mount', [
    '-t',
    'overlay',
    '-o',
    `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`,
    'trial',
    at('merged'),
  ]);
  if (mounted.code === 0) await output('umount', [at('merged')]);
  rmSync(trial, { recursive: true, force: true });
  return mounted.code === 0 ? 'overlay' : 'vfs';
}

/**
 * Commits a folder or a few files as an image without a base.
 * @param name the image's name
 * @param content a folder whose content becomes the image's root
 * @param config arguments of `buildah config`
 */
export async function commitRoot(name: string, content: string, config: string[]): Promise<void> {
  const container = (await buildah(['from', '--quiet', 'scratch'])).trim();
  try {
    await buildah(['add', '--quiet', container, content, '/']);
    if (config.length > 0) await buildah(['config', ...config, container]);
    await buildah(['commit', '--quiet', container, name]);
  } finally {
    await buildah(['rm', container]);
  }
}

/**
 * Writes an image to an archive that remembers its name.
 * @param archive the file; replaced when it exists
 */
export async function pushArchive(name: string, archive: string): Promise<void> {
  const partial = `${archive}.partial`;
  rmSync(partial, { force: true });
  await buildah([
    'push',
    '--quiet',
    '--signature-policy',
    policyFile(),
    name,
    // Of the two forms of archive the one without compression: compressing costs more than everything else here together.
    `docker-archive:${partial}:${name}`,
  ]);
  rmSync(archive, { force: true });
  renameSync(partial, archive);
}

/** Images move between folders of this machine only, so there is nobody's signature to check. */
export function policyFile(): string {
  const file = join(storageDir(), 'policy.json');
  mkdirSync(storageDir(), { recursive: true });
  if (!existsSync(file)) writeFileSync(file, '{"default":[{"type":"insecureAcceptAnything"}]}');
  return file;
}

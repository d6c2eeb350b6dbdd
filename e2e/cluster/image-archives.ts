import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { forgetReplacedImages, imageNames, importArchive } from './containerd.ts';
import { containerdDir, imagesDir } from './paths.ts';
import type { NodeInit } from './node.ts';
import type { Steps } from './steps.ts';

/** What containerd's store took from an archive: lies in that store, so that both are lost together. */
interface Imported {
  [file: string]: { stamp: string; names: string[] };
}

/** The file of the image cache that belongs to an image name: a later archive of the same name replaces the earlier. */
export function archiveOf(name: string): string {
  return join(imagesDir(), `${name.replace(/[^A-Za-z0-9.-]+/g, '_')}.tar`);
}

/**
 * Imports an archive into the running cluster and keeps a copy, so that later clusters have the image from the start.
 * @returns the names of its images
 * @throws CommandError when containerd refuses it
 */
export async function loadArchive(node: NodeInit, archive: string): Promise<string[]> {
  const known = await alreadyImported(node, archive);
  if (known !== undefined) return known;
  const names = await importArchive(node, archive);
  const first = names[0];
  if (first === undefined) throw new Error(`The archive ${archive} holds no image.`);
  const kept = archiveOf(first);
  mkdirSync(imagesDir(), { recursive: true });
  if (kept !== archive) {
    copyFileSync(archive, `${kept}.partial`);
    renameSync(`${kept}.partial`, kept);
  }
  remember(kept, names);
  await forgetReplacedImages(node);
  return names;
}

/** Imports every kept archive that containerd has not, or has in an older version. */
export async function importKeptArchives(node: NodeInit, steps: Steps): Promise<void> {
  for (const file of readdirSync(imagesDir()).filter((name) => name.endsWith('.tar'))) {
    const path = join(imagesDir(), file);
    if ((await alreadyImported(node, path)) !== undefined) continue;
    steps.say(`importing the image archive ${file}`);
    remember(path, await importArchive(node, path));
  }
}

/** The names of an archive's images, when containerd has them from this very archive. */
async function alreadyImported(node: NodeInit, archive: string): Promise<string[] | undefined> {
  const before = readImported()[archive];
  if (before?.stamp !== stamp(archive)) return undefined;
  const present = new Set(await imageNames(node));
  return before.names.every((name) => present.has(name)) ? before.names : undefined;
}

function remember(path: string, names: string[]): void {
  writeFileSync(importedFile(), JSON.stringify({ ...readImported(), [path]: { stamp: stamp(path), names } }));
}

function readImported(): Imported {
  return existsSync(importedFile()) ? (JSON.parse(readFileSync(importedFile(), 'utf8')) as Imported) : {};
}

function importedFile(): string {
  return join(containerdDir(), 'imported.json');
}

function stamp(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${size}-${mtimeMs}`;
}

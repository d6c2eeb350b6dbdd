/**
 * The image that Dockerfiles build on: `npm run base-image` says which it is, `npm run base-image -- update` asks the registry for the
 * current one of the same tag and writes its digest into every Dockerfile.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { currentDigest } from './base-image/registry.ts';
import { DOCKERFILES, pinnedBase, withBase } from './base-image/dockerfiles.ts';

const ROOT = join(import.meta.dirname, '..');
const REGISTRY = 'https://registry-1.docker.io';
const REPOSITORY = 'library/node';
const TAG = '24-bookworm-slim';

const [command = 'show', ...rest] = process.argv.slice(2);
if ((command !== 'show' && command !== 'update') || rest.length > 0) {
  console.error('base-image: write `npm run base-image` or `npm run base-image -- update`.');
  process.exitCode = 2;
} else {
  const files = DOCKERFILES.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
  const base =
    command === 'update'
      ? `docker.io/${REPOSITORY}:${TAG}@${await currentDigest({ registry: REGISTRY, repository: REPOSITORY, tag: TAG })}`
      : undefined;
  for (const { path, text } of files) {
    if (base !== undefined) writeFileSync(join(ROOT, path), withBase(text, base));
    console.log(`${path}: ${base ?? pinnedBase(text) ?? 'no digest'}`);
  }
}

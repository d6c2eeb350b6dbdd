import { createHash, timingSafeEqual } from 'node:crypto';

import type { Endpoint } from './path-part.ts';
import { MAX_PATH_LENGTH } from './registered-paths.ts';
import type { WebhookPath } from './registered-paths.ts';

/** Finds out what is asked at a path, in a time that does not depend on how much of the path is right. */
export class PathMatch {
  #known: readonly { readonly digest: Buffer; readonly endpoint: Endpoint }[] = [];

  use(paths: readonly WebhookPath[]): void {
    this.#known = paths.map(({ path, endpoint }) => ({ digest: digestOf(path), endpoint }));
  }

  /** @param url of a request, with its query; undefined for a path at which nothing is answered */
  endpoint(url: string): Endpoint | undefined {
    const [path = ''] = url.split('?', 1);
    if (path.length > MAX_PATH_LENGTH) return undefined;
    const digest = digestOf(path);
    let found: Endpoint | undefined;
    for (const known of this.#known) if (timingSafeEqual(known.digest, digest)) found = known.endpoint;
    return found;
  }
}

function digestOf(path: string): Buffer {
  return createHash('sha256').update(path).digest();
}

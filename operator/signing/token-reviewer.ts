import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { TOKEN_REVIEWS } from '#kube/types.ts';
import { sha256Hex } from '#pki/keys.ts';

import type { SigningRefusal } from './refusal.ts';
import { readCaller } from './token-checks.ts';
import type { Caller } from './token-checks.ts';

export interface TokenReviewerDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** For how long an accepted token is not asked about again, in milliseconds. */
  readonly cacheMs?: number;
  readonly maxCached?: number;
}

interface Remembered {
  readonly caller: Caller;
  readonly until: number;
}

const CACHE_MS = 5_000;
const MAX_CACHED = 4_096;

/**
 * Asks the API server whom a token belongs to. Accepted answers are kept for a few seconds, by the token's SHA-256 and never
 * the token: a sidecar that waits for its service to be defined asks every second. The pod itself is looked up every time.
 */
export class TokenReviewer {
  readonly #deps: TokenReviewerDeps;
  readonly #cache = new Map<string, Remembered>();

  constructor(deps: TokenReviewerDeps) {
    this.#deps = deps;
  }

  /** @throws KubeError or KubeConnectionError when the API server does not answer. */
  async caller(token: string, audience: string, signal: AbortSignal): Promise<Caller | SigningRefusal> {
    const { api, clock, cacheMs = CACHE_MS } = this.#deps;
    const key = sha256Hex(`${audience}\n${token}`);
    const known = this.#cache.get(key);
    if (known && known.until > clock.now()) return known.caller;
    this.#cache.delete(key);
    const review = await api.create(
      TOKEN_REVIEWS,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        metadata: { name: '' },
        spec: { token, audiences: [audience] },
      },
      { signal },
    );
    const result = readCaller({ review, audience });
    if (!('reason' in result)) this.#remember(key, { caller: result, until: clock.now() + cacheMs });
    return result;
  }

  get cached(): number {
    return this.#cache.size;
  }

  #remember(key: string, entry: Remembered): void {
    this.#cache.set(key, entry);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > (this.#deps.maxCached ?? MAX_CACHED) && oldest !== undefined)
      this.#cache.delete(oldest);
  }
}

import type { Clock, Timer } from '#base/clock.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';

import type { ObjectCache } from '../control-loop/cache.ts';
import { WEBHOOK_NAME } from '../config/names.ts';
import { partOf } from './path-part.ts';
import { registeredPaths } from './registered-paths.ts';
import type { WebhookPath } from './registered-paths.ts';

export interface AcceptedPathsDeps {
  readonly mutating: ObjectCache<MutatingWebhook>;
  readonly validating: ObjectCache<ValidatingWebhook>;
  readonly clock: Clock;
}

/** How long a path is accepted that is registered no longer, milliseconds: an API server may hear of the change late. */
const PREVIOUS_MS = 120_000;

/**
 * The paths at which this replica answers the API server: what the webhook configurations say, as far as it has heard, and what
 * they said until a moment ago. So no call is refused while paths change, whoever hears of it first.
 */
export class AcceptedPaths {
  readonly #deps: AcceptedPathsDeps;
  readonly #listeners = new Set<(paths: readonly WebhookPath[]) => void>();
  /** When each was registered last; `Infinity` while it is. */
  readonly #seen = new Map<string, { readonly path: WebhookPath; until: number }>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #timers = new Set<Timer>();
  #parts: { mutating?: string; validating?: string } = {};

  constructor(deps: AcceptedPathsDeps) {
    this.#deps = deps;
    this.#unsubscribe = [
      deps.mutating.subscribe(() => this.#look()),
      deps.validating.subscribe(() => this.#look()),
    ];
    this.#look();
  }

  get paths(): readonly WebhookPath[] {
    return [...this.#seen.values()].map(({ path }) => path);
  }

  /** What is missing, as a sentence: a replica that knows no paths would refuse the API server. */
  fault(): string | undefined {
    const { mutating, validating } = this.#parts;
    return mutating === undefined && validating === undefined && this.#seen.size === 0
      ? 'the webhooks are not registered yet'
      : undefined;
  }

  /** The part that a configuration had last, also where it is gone: registered again, it takes the one that every replica knows. */
  lastPart(kind: 'mutating' | 'validating'): string | undefined {
    return this.#parts[kind];
  }

  /** Calls `listener` with all paths, now and whenever they change. */
  onChange(listener: (paths: readonly WebhookPath[]) => void): void {
    this.#listeners.add(listener);
    listener(this.paths);
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#listeners.clear();
    for (const timer of this.#timers) timer.cancel();
  }

  #look(): void {
    const { mutating, validating, clock } = this.#deps;
    const configurations = { mutating: mutating.get(WEBHOOK_NAME), validating: validating.get(WEBHOOK_NAME) };
    for (const kind of ['mutating', 'validating'] as const) {
      const part = partOf(configurations[kind]?.webhooks?.[0]?.clientConfig.service?.path);
      if (part !== undefined) this.#parts = { ...this.#parts, [kind]: part };
    }
    const now = clock.now();
    const registered = Object.values(configurations).flatMap(registeredPaths);
    const before = [...this.#seen.keys()].join('\n');
    for (const path of registered) this.#seen.set(keyOf(path), { path, until: Infinity });
    const current = new Set(registered.map(keyOf));
    for (const [key, entry] of this.#seen) {
      if (current.has(key)) continue;
      if (entry.until === Infinity) {
        entry.until = now + PREVIOUS_MS;
        this.#timers.add(clock.setTimeout(() => this.#look(), PREVIOUS_MS));
      } else if (entry.until <= now) this.#seen.delete(key);
    }
    if ([...this.#seen.keys()].join('\n') === before) return;
    for (const listener of this.#listeners) listener(this.paths);
  }
}

function keyOf({ path, endpoint }: WebhookPath): string {
  return `${endpoint} ${path}`;
}

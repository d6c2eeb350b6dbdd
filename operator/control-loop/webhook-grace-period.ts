import type { Clock } from '#base/clock.ts';
import { KubeError } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';

/** How long the network of a cluster may take to lead to a new endpoint, milliseconds. */
const PATIENCE_MS = 30_000;
const LOOK_AGAIN_MS = 500;

/** What the API server says when it has called one of our webhooks and nobody was there. A refused certificate is not of these. */
const OUR_WEBHOOK = /failed calling webhook "[a-z.]+\.mesh\.dev"/;
const NOBODY_THERE =
  /connection refused|no endpoints available|no route to host|i\/o timeout|context deadline exceeded|connection reset/;

/**
 * On a first start the operator registers its webhook and then writes objects that this webhook looks at, while the cluster's
 * network may not lead to the operator yet. That is no failure: it is waited for, and said once. It stays a failure when it
 * lasts, or comes back later.
 */
export class WebhookGracePeriod {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #log: Logger;
  #since: number | undefined;

  constructor({ clock, log }: { readonly clock: Pick<Clock, 'now'>; readonly log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** After how many milliseconds to try again what failed with `error`; undefined when it is a real failure. */
  waitMs(error: unknown): number | undefined {
    if (!isWebhookAway(error)) return undefined;
    if (this.#since === undefined) {
      this.#since = this.#clock.now();
      this.#log.info({}, 'waiting for the API server to reach the webhook of this operator');
    }
    return this.#clock.now() - this.#since < PATIENCE_MS ? LOOK_AGAIN_MS : undefined;
  }
}

function isWebhookAway(error: unknown): boolean {
  if (!(error instanceof KubeError) || error.status < 500) return false;
  return OUR_WEBHOOK.test(error.message) && NOBODY_THERE.test(error.message);
}

import type { Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';

import { ConnectionRefusal } from '../refusals/refusal.ts';
import { resetSocket } from '../bytes/reset.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { Origin } from '../pending/origin.ts';
import { PendingConnections } from '../pending/pending-connections.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';

export interface CleartextLimitsDeps {
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: Pick<DataPlaneSettings, 'maxCleartext' | 'maxCleartextPerAddress'>;
}

/** Of the cleartext connections that are taken, so many may be silent: of more, the oldest is closed. */
const SILENT_SHARE = 0.25;

/** How many cleartext connections a permissive service takes: strangers, for whom nothing is proved, must leave room for its peers. */
export class CleartextLimits {
  readonly #deps: CleartextLimitsDeps;
  readonly #addresses = new Map<string, number>();
  readonly #silent: PendingConnections;
  #size = 0;

  constructor(deps: CleartextLimitsDeps) {
    const { maxCleartext, maxCleartextPerAddress } = deps.settings;
    this.#deps = deps;
    this.#silent = new PendingConnections({
      clock: deps.clock,
      max: Math.ceil(maxCleartext * SILENT_SHARE),
      maxPerNetwork: Math.ceil(maxCleartextPerAddress * SILENT_SHARE),
    });
  }

  /**
   * Counts a connection until it closes.
   *
   * @returns to be called when its client has said something
   * @throws ConnectionRefusal where there are too many
   */
  take(raw: Socket, origin: Origin): () => void {
    const { metrics, settings } = this.#deps;
    const { address } = origin;
    const ofAddress = this.#addresses.get(address) ?? 0;
    if (ofAddress >= settings.maxCleartextPerAddress) throw this.#refuse('address');
    if (this.#size >= settings.maxCleartext) throw this.#refuse('total');
    this.#size += 1;
    this.#addresses.set(address, ofAddress + 1);
    const place = this.#silent.add(origin, () => {
      metrics.shed('inbound', 'cleartext', place.evicted ?? 'total');
      resetSocket(raw);
    });
    raw.once('close', () => {
      place.release();
      this.#release(address);
    });
    return () => place.release();
  }

  #refuse(limit: 'address' | 'total'): ConnectionRefusal {
    this.#deps.metrics.shed('inbound', 'cleartext', limit);
    return TOO_MANY[limit];
  }

  #release(address: string): void {
    this.#size -= 1;
    const left = (this.#addresses.get(address) ?? 1) - 1;
    if (left > 0) this.#addresses.set(address, left);
    else this.#addresses.delete(address);
  }
}

/** Made once: refusing must cost less than what is refused. */
const TOO_MANY = {
  address: new ConnectionRefusal('limit', 'this address has as many cleartext connections as it may have'),
  total: new ConnectionRefusal('limit', 'this pod has as many cleartext connections as it may have'),
};

import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { networkOf } from '#core/net/network-of.ts';
import { REFUSALS, refusalRow } from '#core/refusals.ts';
import type { RefusalReason } from '#core/refusals.ts';
import type { DataPlaneMetrics, Direction } from '../interfaces/data-plane-metrics.ts';

import type { ConnectionRefusal } from './refusal.ts';
import { RefusalLog } from './refusal-log.ts';
import type { StreamReset } from './reset-reason.ts';

/** Who wanted to reach whom, for log lines; every part as far as it is known. */
export interface Parties {
  /** SPIFFE ID of the caller, or its address while it has proved nothing. */
  readonly source: string;
  /** `namespace/service`, or an address. */
  readonly destination: string;
  readonly port?: number;
}

/** Writes and counts what happens to connections, in the same words everywhere. */
export class Reporter {
  readonly #direction: Direction;
  readonly #log: Logger;
  readonly #metrics: DataPlaneMetrics;
  /** Peers that proved who they are have lines of their own, which no crowd of strangers uses up. */
  readonly #ofPeers: RefusalLog;
  readonly #ofStrangers: RefusalLog;

  constructor(
    direction: Direction,
    deps: { readonly clock: Clock; readonly log: Logger; readonly metrics: DataPlaneMetrics },
  ) {
    this.#direction = direction;
    this.#log = deps.log;
    this.#metrics = deps.metrics;
    this.#ofPeers = new RefusalLog(deps);
    this.#ofStrangers = new RefusalLog(deps);
  }

  admitted(parties: Parties, fields: object = {}): void {
    this.#log.debug({ direction: this.#direction, ...parties, ...fields }, 'connection admitted');
  }

  refused(parties: Parties, why: ConnectionRefusal): void {
    this.#metrics.connectionRefused(this.#direction, why.reason);
    const fields = this.#fields(parties, why);
    const message =
      why.reason === 'client-gone'
        ? 'connection closed by the peer before it was let through'
        : 'connection refused';
    if (this.#isQuiet(why.reason)) this.#log.debug(fields, message);
    else this.#warn(parties, why.reason, fields, message);
  }

  cut(parties: Parties, why: ConnectionRefusal): void {
    this.#metrics.connectionCut(this.#direction, why.reason);
    this.#warn(parties, `cut ${why.reason}`, this.#fields(parties, why), 'connection cut');
  }

  /** The other sidecar ended it before its time; what applications do themselves is no news. */
  ended(parties: Parties, { reason, message }: StreamReset): void {
    if (reason !== undefined && REFUSALS[reason].log === 'none') return;
    const fields = { direction: this.#direction, ...parties, reason, decision: message };
    this.#warn(parties, `ended ${reason ?? 'unknown'}`, fields, 'connection ended by the other sidecar');
  }

  /** Something that must not happen: told as an error, with its stack. */
  bug(parties: Parties, error: unknown): void {
    this.#metrics.connectionRefused(this.#direction, 'internal');
    const fields = { direction: this.#direction, ...parties, err: error };
    this.#limited(parties).error('bug', fields, 'connection failed by a fault of the sidecar');
  }

  #isQuiet(reason: RefusalReason): boolean {
    const { log, inboundLog = log } = refusalRow(reason);
    return (this.#direction === 'inbound' ? inboundLog : log) === 'debug';
  }

  #warn(parties: Parties, kind: string, fields: object, message: string): void {
    const { source } = parties;
    const who = isIdentity(source) ? source : networkOf(hostOf(source));
    this.#limited(parties).warn(`${kind} ${who}`, fields, message);
  }

  #limited({ source }: Parties): RefusalLog {
    return isIdentity(source) ? this.#ofPeers : this.#ofStrangers;
  }

  #fields(parties: Parties, why: ConnectionRefusal): object {
    return {
      direction: this.#direction,
      ...parties,
      reason: why.reason,
      decision: why.message,
      ...why.fields,
    };
  }
}

function isIdentity(source: string): boolean {
  return source.startsWith('spiffe:');
}

/** A source without its port: every connection of a stranger comes from another one. */
function hostOf(source: string): string {
  return /^\[(.*)\]:\d+$/.exec(source)?.[1] ?? source.replace(/^([^:]*):\d+$/, '$1');
}

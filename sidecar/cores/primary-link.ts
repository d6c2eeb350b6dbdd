import type { AdminResponse, Route } from '../admin/http-server.ts';
import { text } from '../admin/http-server.ts';
import type { LevelLog } from '../admin/level-log.ts';
import type { Family } from '../admin/metrics/exposition.ts';
import type { ShutdownTimes } from '../process/shutdown.ts';
import type { Siblings } from '../dataplane/interfaces/siblings.ts';
import { dataOf } from './family-data.ts';
import type { Ask, FromWorker, LocalRequest } from './messages.ts';
import { readToWorker } from './messages.ts';

/** This process as far as talking to its parent goes. */
export type Channel = Pick<NodeJS.Process, 'send' | 'on' | 'prependListener'>;

/** What the primary asks about. */
export interface Asked {
  missing(): readonly string[];
  readonly families: () => Iterable<Family>;
  readonly localRoute: Route;
  readonly inbound: { renewTunnel(hash: string, shown: readonly string[]): boolean };
}

/** A worker's end of the channel to its primary, and through it to the other workers. */
export class PrimaryLink implements Siblings {
  /** When the primary tells this worker to end, and how. */
  readonly stopped: Promise<ShutdownTimes>;
  readonly #channel: Channel;
  readonly #log: LevelLog;
  #stop: (times: ShutdownTimes) => void = () => undefined;
  #asked: Asked | undefined;
  #busy = false;
  readonly #vouching = new Map<number, (renewed: boolean) => void>();
  #lastVouch = 0;

  /**
   * @param onGone called when the primary is no more; this process must end, since nobody else would end it
   * @throws Error where this process was not started by a primary
   */
  constructor(channel: Channel, log: LevelLog, onGone: () => void) {
    if (!channel.send)
      throw new Error('a worker is started by a sidecar with MESH_CORES above 1, not by hand');
    this.#channel = channel;
    this.#log = log;
    this.stopped = new Promise((resolve) => (this.#stop = resolve));
    channel.on('message', (value: unknown) => this.#heard(value));
    // Before Node's own listener, which ends the process with code 0.
    channel.prependListener('disconnect', onGone);
  }

  /** Whether the primary has work under way that needs the way out of the pod. */
  get busy(): boolean {
    return this.#busy;
  }

  /** From now on this sidecar answers; its ports are open. */
  serve(asked: Asked): void {
    this.#asked = asked;
    this.#send({ kind: 'started' });
  }

  /** The operator wants the sidecar to end, with all its processes. */
  finish(): void {
    this.#send({ kind: 'finish' });
  }

  renew(hash: string, shown: readonly string[]): Promise<boolean> {
    const id = ++this.#lastVouch;
    return new Promise((resolve) => {
      this.#vouching.set(id, resolve);
      this.#send({ kind: 'vouch', id, hash, shown });
    });
  }

  #heard(value: unknown): void {
    const message = readToWorker(value);
    switch (message?.kind) {
      case 'ask':
        return void this.#answer(message.id, message.ask);
      case 'stop':
        this.#busy = message.busy;
        return this.#stop({ minimumMs: message.minimumMs, deadlineMs: message.deadlineMs });
      case 'busy':
        this.#busy = message.busy;
        return;
      case 'log-level':
        return this.#log.setLevel(message.level);
      case 'vouched':
        this.#vouching.get(message.id)?.(message.renewed);
        this.#vouching.delete(message.id);
        return;
      case undefined:
        return;
    }
  }

  async #answer(id: number, ask: Ask): Promise<void> {
    this.#send({ kind: 'answer', id, value: await this.#valueOf(ask) });
  }

  async #valueOf(ask: Ask): Promise<unknown> {
    const asked = this.#asked;
    switch (ask.subject) {
      case 'readiness':
        return asked ? asked.missing() : ['listeners'];
      case 'metrics':
        return asked ? dataOf(asked.families()) : [];
      case 'local':
        return asked ? locally(asked.localRoute, ask) : text('this worker is starting', 503);
      case 'vouch':
        return asked?.inbound.renewTunnel(ask.hash, ask.shown) ?? false;
    }
  }

  #send(message: FromWorker): void {
    // A primary that is gone is noticed by `disconnect`.
    this.#channel.send?.(message, undefined, undefined, () => undefined);
  }
}

async function locally(route: Route, { method, path, query, body }: LocalRequest): Promise<AdminResponse> {
  try {
    return await route({
      method,
      path,
      query: new URLSearchParams(query),
      body: () => Promise.resolve(body),
    });
  } catch {
    return text('this request failed', 500);
  }
}

import type { Socket } from 'node:net';

import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { Listener } from '../connection/listener.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { Upstream } from '../../config/upstream.ts';

export interface UpstreamListenersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DataPlaneMetrics;
  readonly onConnection: (socket: Socket, upstream: Upstream) => void;
}

interface Open {
  upstream: Upstream;
  /** One per address family: programs that dial `localhost` may try either first. */
  readonly listeners: readonly Listener[];
}

const LOOPBACK_4 = ['127.0.0.1'];
const LOOPBACK_6 = ['::1'];
const RETRY_MS = 5_000;

/** The local ports that lead to services by name. They can change at any time; a port that is taken is tried again. */
export class UpstreamListeners {
  readonly #deps: UpstreamListenersDeps;
  readonly #open = new Map<number, Open>();
  #wanted: readonly Upstream[] = [];
  #working: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;
  #stopped = false;

  constructor(deps: UpstreamListenersDeps) {
    this.#deps = deps;
  }

  portOf(localPort: number): number | undefined {
    return this.#open.get(localPort)?.listeners[0]?.port;
  }

  /** Resolves when every port that can be opened is open; those that cannot are logged and tried again. Never rejects. */
  set(upstreams: readonly Upstream[]): Promise<void> {
    this.#wanted = upstreams;
    this.#working = this.#working.then(() => this.#apply());
    return this.#working;
  }

  /** Closes every port; connections go on. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    for (const open of this.#open.values()) closeAll(open);
    this.#open.clear();
  }

  async #apply(): Promise<void> {
    this.#retry?.cancel();
    const wanted = new Map(this.#wanted.map((upstream) => [upstream.localPort, upstream]));
    for (const [port, open] of this.#open) {
      if (wanted.has(port)) continue;
      closeAll(open);
      this.#open.delete(port);
    }
    let failed = false;
    for (const upstream of wanted.values()) {
      const open = this.#open.get(upstream.localPort);
      if (open) open.upstream = upstream;
      else if (!this.#stopped) failed = !(await this.#start(upstream)) || failed;
    }
    if (failed && !this.#stopped)
      this.#retry = this.#deps.clock.setTimeout(() => void this.set(this.#wanted), RETRY_MS);
  }

  async #start(upstream: Upstream): Promise<boolean> {
    const { log, metrics, onConnection } = this.#deps;
    const { localPort, service } = upstream;
    const fields = { localPort, upstream: `${service.namespace}/${service.service}` };
    const listen = (hosts: readonly string[]) =>
      new Listener({
        near: true,
        hosts,
        port: localPort,
        metrics,
        onConnection: (socket) => onConnection(socket, open.upstream),
      });
    const open: Open = { upstream, listeners: [listen(LOOPBACK_4), listen(LOOPBACK_6)] };
    const [four, six] = open.listeners;
    try {
      await four?.start();
    } catch (error) {
      log.error({ ...fields, err: error }, 'upstream port cannot be opened; it is tried again');
      return false;
    }
    await six?.start().catch((error: unknown) => log.debug({ ...fields, err: error }, 'no listener on ::1'));
    if (this.#stopped) closeAll(open);
    else this.#open.set(localPort, open);
    log.info(fields, 'upstream port is open');
    return true;
  }
}

function closeAll({ listeners }: Open): void {
  for (const listener of listeners) listener.close();
}

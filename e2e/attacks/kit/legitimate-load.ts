import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What came of the load in one period. */
export interface LoadFigures {
  /** Requests on connections that were open before, and how many of them had no right answer in time. */
  readonly requests: number;
  readonly failed: number;
  /** New connections with one request each, and how many of them failed. */
  readonly connections: number;
  readonly connectionsFailed: number;
  /** Median from the first packet of a new connection to the answer, milliseconds. */
  readonly connectMs: number;
}

export interface LoadOptions {
  /** A local port that leads to an application that echoes. */
  readonly port: number;
  /** Makes a new connection to the same application, of the kind whose time is measured. */
  readonly connect: () => Socket;
}

const KEPT = 10;
/** So that all kept connections together make 50 requests a second. */
const REQUEST_EVERY_MS = 200;
const CONNECT_EVERY_MS = 100;
/** Far beyond what anybody would wait. */
const ANSWER_MS = 10_000;
const MESSAGE = Buffer.from('0123456789abcdef'.repeat(4));

/** Ordinary use of a service while somebody attacks it: 50 requests a second on ten kept connections, ten new connections a second. */
export class LegitimateLoad {
  readonly #options: LoadOptions;
  readonly #kept: Echo[];

  private constructor(options: LoadOptions, kept: Echo[]) {
    this.#options = options;
    this.#kept = kept;
  }

  /** Opens the connections that are kept. */
  static async open(options: LoadOptions): Promise<LegitimateLoad> {
    const kept = Array.from(
      { length: KEPT },
      () => new Echo(connect({ port: options.port, host: '127.0.0.1' })),
    );
    for (const one of kept)
      if (!(await one.ask())) throw new Error('a connection cannot be made before the attack');
    return new LegitimateLoad(options, kept);
  }

  /** Uses the service for a while. */
  async run(milliseconds: number): Promise<LoadFigures> {
    const until = performance.now() + milliseconds;
    const asked = { all: 0, failed: 0 };
    const times: number[] = [];
    let connectionsFailed = 0;
    const keep = async (echo: Echo): Promise<void> => {
      while (performance.now() < until) {
        const next = sleep(REQUEST_EVERY_MS);
        asked.all += 1;
        if (!(await echo.ask())) asked.failed += 1;
        await next;
      }
    };
    const renew = async (): Promise<void> => {
      while (performance.now() < until) {
        const next = sleep(CONNECT_EVERY_MS);
        const began = performance.now();
        const echo = new Echo(this.#options.connect());
        if (await echo.ask()) times.push(performance.now() - began);
        else connectionsFailed += 1;
        echo.close();
        await next;
      }
    };
    await Promise.all([...this.#kept.map(keep), renew()]);
    return {
      requests: asked.all,
      failed: asked.failed,
      connections: times.length + connectionsFailed,
      connectionsFailed,
      connectMs: times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Infinity,
    };
  }

  close(): void {
    for (const one of this.#kept) one.close();
  }
}

/** A connection to an application that says again what it hears. */
class Echo {
  readonly #socket: Socket;
  #heard = 0;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#heard += chunk.length;
      this.#wake();
    });
    for (const event of ['error', 'end', 'close'])
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
  }

  /** Whether a message came back whole and in time. */
  async ask(): Promise<boolean> {
    if (this.#ended) return false;
    this.#heard = 0;
    this.#socket.write(MESSAGE);
    const late = AbortSignal.timeout(ANSWER_MS);
    while (this.#heard < MESSAGE.length && !this.#ended && !late.aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        late.addEventListener('abort', () => resolve(), { once: true });
      });
    return this.#heard === MESSAGE.length && !this.#ended;
  }

  close(): void {
    this.#socket.destroy();
  }
}

import type { Clock, Timer } from '#base/clock.ts';
import type { LogLevel } from '#base/log-level.ts';
import type { Logger } from '#base/log.ts';

import type { ShutdownTimes } from '../process/shutdown.ts';
import { Asker } from './asker.ts';
import type { FamilyData } from './family-data.ts';
import { lasting, retire } from './merge.ts';
import type { Answers, Ask, FromWorker, ToWorker, Vouch } from './messages.ts';
import type { Exit, ForkWorker, WorkerProcess } from './worker-process.ts';

export interface WorkersOptions {
  readonly count: number;
  readonly fork: ForkWorker;
  readonly clock: Clock;
  readonly log: Logger;
  /** What workers log from: it may have changed when one is started again. */
  readonly logLevel: () => LogLevel;
  /** The operator told one of the workers that the sidecar must end. */
  readonly onFinish: () => void;
}

/** One of the places for a worker; its number stays when the process in it is another. */
interface Place {
  readonly number: number;
  running: { readonly process: WorkerProcess; readonly asker: Asker; readonly since: number } | undefined;
  /** Ends in a row, each soon after the start. */
  failures: number;
  retry: Timer | undefined;
  /** What it counted, as far as it was asked. */
  counted: readonly FamilyData[];
}

/** What a worker said; `gone` while it is being replaced, `silent` where no answer came in time. */
export type Said<T> = { readonly answer: T } | 'gone' | 'silent';

/** Long enough for a busy event loop, short enough for who scrapes or probes us. */
const ANSWER_MS = 1_000;
const RETRY_MS = 100;
const RETRY_MAX_MS = 10_000;
/** A worker that ran so long had a good start; the wait before the next begins again. */
const STEADY_MS = 60_000;
/** How long a worker that should have ended is waited for. */
const OVERDUE_MS = 2_000;
const LOOK_EVERY_MS = 50;

/** The processes that carry the traffic: started, asked, replaced when they die, ended together. */
export class Workers {
  readonly #options: WorkersOptions;
  readonly #places: readonly Place[];
  readonly #firstStarted: Promise<void>;
  #tellStarted: () => void = () => undefined;
  #tellFailed: (error: Error) => void = () => undefined;
  #oneStarted = false;
  #leaving = false;
  #restarts = 0;
  #past: readonly FamilyData[] = [];

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#firstStarted = new Promise((resolve, reject) => {
      this.#tellStarted = resolve;
      this.#tellFailed = reject;
    });
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      running: undefined,
      failures: 0,
      retry: undefined,
      counted: [],
    }));
  }

  /** Workers that were started again since the start. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Starts all. Resolves when the first has its ports open.
   *
   * @throws Error when one ends before any got so far: the next would fail for the same reason, and who started us should know
   */
  start(): Promise<void> {
    for (const place of this.#places) this.#fork(place);
    return this.#firstStarted;
  }

  /**
   * Asks every worker at once. Resolves within a second, whatever they do.
   *
   * @param places default: all
   */
  askAll<S extends keyof Answers>(
    ask: Extract<Ask, { subject: S }>,
    places: readonly Place[] = this.#places,
  ): Promise<ReadonlyMap<number, Said<Answers[S]>>> {
    const asking = places.map(async ({ number, running }): Promise<[number, Said<Answers[S]>]> => {
      if (!running) return [number, 'gone'];
      const answer = await running.asker.ask<S>(ask, ANSWER_MS);
      return [number, answer === undefined ? 'silent' : { answer }];
    });
    return Promise.all(asking).then((said) => new Map(said));
  }

  /**
   * Asks for the numbers of every worker.
   *
   * @returns one entry for each that answered, and in `lasting` what the others had counted before, ended ones included
   */
  async scrape(): Promise<{
    readonly answered: readonly (readonly FamilyData[])[];
    readonly lasting: readonly (readonly FamilyData[])[];
  }> {
    const said = await this.askAll<'metrics'>({ subject: 'metrics' });
    const answered: (readonly FamilyData[])[] = [];
    const others: (readonly FamilyData[])[] = [];
    for (const place of this.#places) {
      const answer = said.get(place.number);
      if (typeof answer === 'object' && place.running) {
        place.counted = lasting(answer.answer);
        answered.push(answer.answer);
      } else others.push(place.counted);
    }
    return { answered, lasting: [...others, this.#past] };
  }

  /** Tells every worker; one that is started later learns the level at its start. */
  tellLevel(level: LogLevel): void {
    this.#sendAll({ kind: 'log-level', level });
  }

  /**
   * Lets every worker drain within the same times and end, and ends those that do not. Resolves when no process is left.
   *
   * @param busy whether the application is still asked something whose answer needs the way out of the pod
   */
  async stop(times: ShutdownTimes, busy: () => boolean): Promise<void> {
    const { clock, log } = this.#options;
    this.#leaving = true;
    for (const { retry } of this.#places) retry?.cancel();
    const began = clock.now();
    let told = busy();
    this.#sendAll({ kind: 'stop', busy: told, ...times });
    while (this.#running().length > 0 && clock.now() - began < times.deadlineMs + OVERDUE_MS) {
      await clock.sleep(LOOK_EVERY_MS);
      if (busy() === told) continue;
      told = !told;
      this.#sendAll({ kind: 'busy', busy: told });
    }
    for (const { number, running } of this.#running()) {
      log.warn({ worker: number, pid: running?.process.pid }, 'a worker did not end in time and is killed');
      running?.process.kill('SIGKILL');
    }
    while (this.#running().length > 0) await clock.sleep(LOOK_EVERY_MS);
  }

  #running(): readonly Place[] {
    return this.#places.filter(({ running }) => running !== undefined);
  }

  #sendAll(message: ToWorker): void {
    for (const { running } of this.#places) running?.process.send(message);
  }

  #fork(place: Place): void {
    const { fork, clock, logLevel } = this.#options;
    const process = fork(
      { MESH_WORKER: String(place.number), MESH_LOG_LEVEL: logLevel() },
      {
        onMessage: (message) => this.#heard(place, message),
        onExit: (exit) => this.#ended(place, exit),
      },
    );
    const asker = new Asker(clock, (message) => process.send(message));
    place.running = { process, asker, since: clock.now() };
  }

  #heard(place: Place, message: FromWorker): void {
    switch (message.kind) {
      case 'started':
        this.#oneStarted = true;
        this.#tellStarted();
        return;
      case 'finish':
        return this.#options.onFinish();
      case 'answer':
        return place.running?.asker.answered(message.id, message.value);
      case 'vouch':
        return void this.#askOthers(place, message);
    }
  }

  async #askOthers(place: Place, { id, hash, shown }: Vouch & { readonly id: number }): Promise<void> {
    const asking = place.running?.process;
    const others = this.#places.filter((other) => other !== place);
    const said = await this.askAll<'vouch'>({ subject: 'vouch', hash, shown }, others);
    const renewed = [...said.values()].some((one) => typeof one === 'object' && one.answer);
    asking?.send({ kind: 'vouched', id, renewed });
  }

  #ended(place: Place, { code, signal }: Exit): void {
    const { log, clock } = this.#options;
    const { running, number } = place;
    if (!running) return;
    place.running = undefined;
    running.asker.abandon();
    this.#past = retire(this.#past, place.counted);
    place.counted = [];
    const fields = { worker: number, pid: running.process.pid, code, signal };
    if (this.#leaving) {
      if (code !== 0) log.error(fields, 'a worker ended unexpectedly while the sidecar shuts down');
      return;
    }
    if (!this.#oneStarted) {
      const how = signal === null ? `with code ${code ?? 'unknown'}` : `by ${signal}`;
      this.#tellFailed(new Error(`worker ${number} ended ${how} before any worker was up`));
      return;
    }
    if (clock.now() - running.since >= STEADY_MS) place.failures = 0;
    const retryInMs = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** place.failures);
    place.failures += 1;
    this.#restarts += 1;
    log.error(
      { ...fields, retryInMs },
      'a worker ended unexpectedly; its connections are lost, another is started',
    );
    place.retry = clock.setTimeout(() => this.#fork(place), retryInMs);
  }
}

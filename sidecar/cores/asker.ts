import type { Clock } from '#base/clock.ts';

import { READ_ANSWER } from './messages.ts';
import type { Answers, Ask, ToWorker } from './messages.ts';
import { readOr } from './reading.ts';

/** Questions to one worker, and the wait for its answers. */
export class Asker {
  readonly #clock: Clock;
  readonly #send: (message: ToWorker) => void;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  #last = 0;

  constructor(clock: Clock, send: (message: ToWorker) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * @param timeoutMs a worker that takes longer counts as silent
   * @returns undefined when there is no answer, or one that makes no sense
   */
  async ask<S extends keyof Answers>(
    ask: Extract<Ask, { subject: S }>,
    timeoutMs: number,
  ): Promise<Answers[S] | undefined> {
    const id = ++this.#last;
    const value = await new Promise<unknown>((resolve) => {
      const timer = this.#clock.setTimeout(() => this.answered(id, undefined), timeoutMs);
      this.#waiting.set(id, (answer) => {
        timer.cancel();
        resolve(answer);
      });
      this.#send({ kind: 'ask', id, ask });
    });
    return value === undefined ? undefined : readOr(undefined, () => READ_ANSWER[ask.subject](value));
  }

  /** A late answer, or one to nothing, is passed over. */
  answered(id: number, value: unknown): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.(value);
  }

  /** The worker is gone: whoever waits for it learns that now. */
  abandon(): void {
    for (const id of [...this.#waiting.keys()]) this.answered(id, undefined);
  }
}

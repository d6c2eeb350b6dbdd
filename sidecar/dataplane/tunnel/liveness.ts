import type { Clock, Timer } from '#base/clock.ts';

/** A peer that is silent for one to two such spans is asked, and given up after one more. */
const TICK_MS = 5_000;
/** A tick that comes this late says that this process was stopped itself, so the peer's silence means nothing. */
const LATE_MS = 1_000;
/** Bytes that nobody takes for so many ticks: the other side is alive and yet reads nothing. */
const STUCK_TICKS = 12;

export interface LivenessEvents {
  /** Ask the peer. */
  ping(): void;
  dead(text: string): void;
  /** Whether bytes wait to leave, and a number that grows when some left. */
  sending(): { readonly waiting: boolean; readonly progress: number };
}

/** Notices when the other end of a tunnel is gone without a word: a pulled cable, a stopped process, a dead node. */
export class Liveness {
  readonly #clock: Clock;
  readonly #events: LivenessEvents;
  #heard = true;
  #asked = false;
  #stuck = 0;
  #progress = 0;
  #expected = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, events: LivenessEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Whether the peer owes an answer: nobody should begin anything new with it. */
  get doubtful(): boolean {
    return this.#asked;
  }

  start(): void {
    this.#expected = this.#clock.now() + TICK_MS;
    this.#timer = this.#clock.setTimeout(this.#tick, TICK_MS);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Something came from the peer. */
  heard(): void {
    this.#heard = true;
    this.#asked = false;
  }

  readonly #tick = (): void => {
    const late = this.#clock.now() - this.#expected > LATE_MS;
    this.start();
    if (this.#isStuck()) {
      return this.#events.dead(`the peer has read nothing for ${(STUCK_TICKS * TICK_MS) / 1000} seconds`);
    }
    if (this.#heard || late) {
      this.#heard = false;
      return;
    }
    if (this.#asked) return this.#events.dead(`the peer did not answer within ${TICK_MS / 1000} seconds`);
    this.#asked = true;
    this.#events.ping();
  };

  #isStuck(): boolean {
    const { waiting, progress } = this.#events.sending();
    this.#stuck = waiting && progress === this.#progress ? this.#stuck + 1 : 0;
    this.#progress = progress;
    return this.#stuck >= STUCK_TICKS;
  }
}

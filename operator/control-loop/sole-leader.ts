/** Who says when the controllers run. */
export interface Elector {
  readonly isLeader: boolean;
  /** A second call does nothing. */
  start(): void;
  /** Ends the work and waits for it. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Leads from its start to its end, for an operator that no other can be beside. A lease would be lost whenever the machine sleeps
 * or is very busy, and would keep the next start waiting.
 */
export class SoleLeader implements Elector {
  readonly #lead: (term: AbortSignal) => Promise<void>;
  readonly #term = new AbortController();
  #work: Promise<void> | undefined;

  /** @param lead what the leader does until the signal is aborted */
  constructor(lead: (term: AbortSignal) => Promise<void>) {
    this.#lead = lead;
  }

  get isLeader(): boolean {
    return this.#work !== undefined && !this.#term.signal.aborted;
  }

  start(): void {
    this.#work ??= this.#lead(this.#term.signal);
  }

  async stop(): Promise<void> {
    this.#term.abort(new Error('the operator ends'));
    await this.#work;
  }
}

import { BASE_LIMITS, CONNECTION_CREDIT_STEP } from './frames/protocol.ts';

/** What all streams of the peer together may still send, and what of it is to be credited. */
export class ConnectionCredit {
  #left = BASE_LIMITS.connectionWindow;
  #released = 0;

  /** @returns false when the peer sent more than it was given credit for */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** So many bytes are no longer held. @returns the credit to give now, 0 for none yet */
  release(bytes: number): number {
    this.#released += bytes;
    if (this.#released < CONNECTION_CREDIT_STEP) return 0;
    const credit = this.#released;
    this.#left += credit;
    this.#released = 0;
    return credit;
  }
}

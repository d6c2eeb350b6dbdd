import type { Clock } from '#base/clock.ts';

const MAX_AGE_MS = 60_000;

/** A bearer token that is read again when it is a minute old, or when it was refused. Kubelets replace token files hourly. */
export class TokenCache {
  readonly #read: () => Promise<string>;
  readonly #clock: Clock;
  #token: Promise<string> | undefined;
  #readAt = 0;

  constructor(read: () => Promise<string>, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  /** The token, read now unless read within the last minute. */
  get(): Promise<string> {
    const age = this.#clock.now() - this.#readAt;
    if (!this.#token || age >= MAX_AGE_MS || age < 0) {
      this.#readAt = this.#clock.now();
      const token = this.#read();
      this.#token = token;
      token.catch(() => {
        if (this.#token === token) this.#token = undefined;
      });
    }
    return this.#token;
  }

  /** The server refused the token: the next `get` reads it again. */
  forget(): void {
    this.#token = undefined;
  }
}

/** Tells the person at the terminal what is being done, with the seconds since the start. */
export class Steps {
  readonly #started = Date.now();
  readonly #write: (line: string) => void;

  /** @param write where a line goes; standard error by default, so that standard output stays for results. */
  constructor(write: (line: string) => void = (line) => process.stderr.write(`${line}\n`)) {
    this.#write = write;
  }

  /** Says what begins now. */
  say(what: string): void {
    this.#write(`[${this.seconds()}s] ${what}`);
  }

  /** Whole seconds since the start. */
  seconds(): number {
    return Math.round((Date.now() - this.#started) / 1000);
  }
}

/** Resolves after the given milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Polls until a condition holds.
 * @param what the condition in words, for the error
 * @param seconds how long to wait
 * @param holds the condition; an exception counts as "not yet"
 * @throws Error naming the condition (and the last exception) when time is up
 */
export async function until(
  what: string,
  seconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  let last = '';
  for (;;) {
    try {
      if (await holds()) return;
    } catch (error) {
      last = error instanceof Error ? ` (${error.message})` : '';
    }
    if (Date.now() > deadline) throw new Error(`Waited ${seconds} s in vain: ${what}${last}`);
    await sleep(150);
  }
}

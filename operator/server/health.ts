import { errorText } from '#base/error-text.ts';

/** A question about this process: undefined when all is well, else what is not, as a sentence. */
export type Check = () => string | undefined;

export interface HealthAnswer {
  readonly ok: boolean;
  /** One line per check, for people who run the mesh. */
  readonly text: string;
}

/** Named checks, asked together. */
export class Health {
  readonly #checks = new Map<string, Check>();

  /** Adds a check, or replaces the one of that name. */
  add(name: string, check: Check): void {
    this.#checks.set(name, check);
  }

  ask(): HealthAnswer {
    const answers = [...this.#checks].map(([name, check]) => ({ name, fault: safely(check) }));
    return {
      ok: answers.every(({ fault }) => fault === undefined),
      text:
        answers
          .map(({ name, fault }) => (fault === undefined ? `ok      ${name}` : `not ok  ${name}: ${fault}`))
          .join('\n') + '\n',
    };
  }
}

function safely(check: Check): string | undefined {
  try {
    return check();
  } catch (error) {
    return errorText(error);
  }
}

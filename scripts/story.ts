import { performance } from 'node:perf_hooks';

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint =
  (code: number) =>
  (text: string): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text;

export const green = paint(32);
export const red = paint(31);
export const bold = paint(1);
export const dim = paint(2);

/** What happens, as it happens, with the time since the start. */
export class Story {
  readonly #began = performance.now();

  /** Something that is done. */
  step(text: string): void {
    console.log(`${dim(this.#time())}  ${bold(text)}`);
  }

  /** Something that came of it. */
  line(text: string): void {
    console.log(`${' '.repeat(9)}${text}`);
  }

  #time(): string {
    return `${((performance.now() - this.#began) / 1000).toFixed(1).padStart(5)} s`;
  }
}

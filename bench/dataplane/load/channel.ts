import { errorText } from '#base/error-text.ts';

/** What one request to a load program is answered with. */
export type Reply<T> =
  { readonly id: number; readonly value: T } | { readonly id: number; readonly error: string };

export interface Ask {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

/** The child's side: answers what its parent asks, one function for each name, and ends when its parent is gone. */
export function answerParent(handlers: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ id, name, argument }: Ask) => {
    void (async () => {
      try {
        const value = await handlers[name]?.(argument as never);
        process.send?.({ id, value });
      } catch (error) {
        process.send?.({ id, error: errorText(error) });
      }
    })();
  });
}

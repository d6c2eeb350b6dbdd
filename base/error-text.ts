/** What was thrown, in a sentence: an error's message, or the text of anything else. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** As {@link errorText}, of a connection that failed: Node gathers the failures of several addresses in an error without a message. */
export function failureText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(failureText).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.message || ((error as NodeJS.ErrnoException).code ?? 'unknown failure');
}

/** What was thrown as an Error, where only one will do: as it is, or around the text of anything else. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** One thing that is wrong with what a person wrote. */
export interface Fault {
  /** Where: a path such as `spec.source.service`, or the key of an annotation. */
  readonly field: string;
  /** What is wrong and what to write instead, as a sentence. */
  readonly message: string;
}

/**
 * All faults as one text for people: a single fault in one line, several as a list.
 *
 * @param what what could not be done, such as `cannot inject pod web`
 */
export function faultsText(what: string, faults: readonly Fault[]): string {
  const lines = faults.map((fault) => `${fault.field}: ${fault.message}`);
  if (lines.length === 1) return `${what}: ${lines[0] ?? ''}`;
  return `${what}, ${lines.length} things to change:\n${lines.map((line) => `- ${line}`).join('\n')}`;
}

/** A value as it may stand in a message: quoted, control characters escaped, never long. */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** `"a", "b" or "c"`. */
export function oneOf(values: readonly (string | number)[]): string {
  const words = values.map((value) => JSON.stringify(value));
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}

/**
 * Metrics in Prometheus' text format (version 0.0.4), as far as a sidecar needs it. Written here because the usual library
 * costs every pod a megabyte.
 */

export type Labels = Readonly<Record<string, string>>;

/** One number of a family, under its labels. */
export interface Sample {
  /** Appended to the family's name, such as `_bucket`. */
  readonly suffix?: string;
  readonly labels?: Labels;
  readonly value: number;
}

/** A family of numbers that are read when somebody asks. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Names of its labels, for the reference. */
  readonly labels: readonly string[];
  readonly samples: () => Iterable<Sample>;
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Writes families as text. One that fails is left out; the others are served. */
export function exposition(families: Iterable<Family>): string {
  const lines: string[] = [];
  for (const family of families) lines.push(...familyLines(family));
  return `${lines.join('\n')}\n`;
}

function familyLines({ name, help, type, samples }: Family): string[] {
  const lines: string[] = [];
  try {
    for (const { suffix = '', labels, value } of samples()) {
      lines.push(`${name}${suffix}${labelText(labels)} ${numberText(value)}`);
    }
  } catch {
    return [];
  }
  return lines.length === 0 ? [] : [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines];
}

function labelText(labels: Labels | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([label, value]) => `${label}="${escapeValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeValue(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

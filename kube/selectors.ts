import type { KubeObject } from '#core/resource.ts';

/** Selectors as an API server reads them. */
export type Matcher = (object: KubeObject) => boolean;

const FIELDS =
  /^(metadata\.(name|namespace)|status\.(podIP|phase)|spec\.(nodeName|serviceAccountName)|type|involvedObject\.\w+)$/;

/** @returns undefined when the selector cannot be read */
export function labelMatcher(selector: string): Matcher | undefined {
  const matchers = splitOutsideParentheses(selector).map(oneLabel);
  if (matchers.some((matcher) => matcher === undefined)) return undefined;
  return (object) => matchers.every((matcher) => matcher?.(object.metadata.labels ?? {}));
}

/** @returns undefined when the selector names a field that the server does not select by */
export function fieldMatcher(selector: string): Matcher | undefined {
  const terms = selector.split(',').map((term) => /^([\w.]+)(!=|==|=)(.*)$/.exec(term));
  if (terms.some((term) => !term || !FIELDS.test(term[1] ?? ''))) return undefined;
  return (object) =>
    terms.every((term) => {
      const [, path = '', operator, wanted = ''] = term ?? [];
      return (fieldOf(object, path) === wanted) === (operator !== '!=');
    });
}

function oneLabel(term: string): ((labels: Readonly<Record<string, string>>) => boolean) | undefined {
  const set = /^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$/.exec(term);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return (labels) => (labels[key] !== undefined && values.includes(labels[key])) === (operator === 'in');
  }
  const equal = /^\s*([\w./-]+)\s*(!=|==|=)\s*([\w.-]*)\s*$/.exec(term);
  if (equal) {
    const [, key = '', operator, value] = equal;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const exists = /^\s*(!?)\s*([\w./-]+)\s*$/.exec(term);
  if (!exists) return undefined;
  const [, not, key = ''] = exists;
  return (labels) => (labels[key] !== undefined) === (not === '');
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}

function fieldOf(object: KubeObject, path: string): string {
  let value: unknown = object;
  for (const part of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[part];
  return typeof value === 'string' ? value : '';
}

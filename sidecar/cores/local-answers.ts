import type { Said } from './workers.ts';

/** What one worker answered. */
export interface Numbered<T> {
  readonly worker: number;
  readonly value: T;
}

/** The answers that came, by rising number of the worker. */
export function allAnswers<T>(said: ReadonlyMap<number, Said<T>>): readonly Numbered<T>[] {
  return [...said].flatMap(([worker, one]) =>
    typeof one === 'object' ? [{ worker, value: one.answer }] : [],
  );
}

type Fields = Readonly<Record<string, unknown>>;

/** The certificate that ends first, as a sidecar with one process shows its own, and beside it which worker has which. */
export function certificatesOf(parts: readonly Numbered<object>[]): object {
  const all = parts as readonly Numbered<Fields>[];
  const [first] = [...all].sort((one, other) => endOf(one.value) - endOf(other.value));
  const workers = all.map(({ worker, value: { serial, notBefore, notAfter, issued, failures, valid } }) => ({
    worker,
    valid,
    serial,
    notBefore,
    notAfter,
    issued,
    failures,
  }));
  return { ...first?.value, workers };
}

/** One without a certificate comes first: it is what somebody wants to see. */
function endOf({ notAfter }: Fields): number {
  return typeof notAfter === 'string' ? Date.parse(notAfter) : 0;
}

/** Every number summed, and beside it each worker's own. */
export function connectionsOf(parts: readonly Numbered<object>[]): object {
  const total = parts.reduce<Fields>((sum, { value }) => summed(sum, value as Fields), {});
  return { ...total, workers: parts.map(({ worker, value }) => ({ worker, ...value })) };
}

function summed(one: Fields, other: Fields): Fields {
  const sum: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const known = sum[key];
    if (typeof value === 'number') sum[key] = (typeof known === 'number' ? known : 0) + value;
    else if (typeof value === 'object' && value !== null)
      sum[key] = summed((known as Fields | undefined) ?? {}, value as Fields);
  }
  return sum;
}

/** What all know is the same; which endpoints are watched depends on who connected where. */
export function catalogOf(parts: readonly Numbered<object>[]): object {
  const all = parts.map(({ value }) => value as Fields);
  const watched = all.flatMap(({ endpointsWatched }) =>
    Array.isArray(endpointsWatched) ? (endpointsWatched as unknown[]) : [],
  );
  return {
    ...all[0],
    read: all.every(({ read }) => read === true),
    endpointsWatched: [...new Set(watched)].sort(),
  };
}

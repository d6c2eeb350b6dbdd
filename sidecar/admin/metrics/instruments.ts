import type { Family, Labels, Sample } from './exposition.ts';

/**
 * A family holds at most so many label sets. What comes beyond is counted under the peer `other`, so that peers cannot fill our
 * memory under ever new names.
 */
export const MAX_LABEL_SETS = 500;

/** The one label whose values peers choose, with their certificates; all others have words from fixed lists. */
export const PEER_LABEL = 'peer';
const OTHER = 'other';
/** Names of services have some 150 characters; of foreign SPIFFE IDs, which may have 2,048, the beginning is shown. */
const MAX_PEER_LENGTH = 256;

/** The value of the label for the peer with this SPIFFE ID. */
export function peerLabel(id: string): string {
  return id.length > MAX_PEER_LENGTH ? `${id.slice(0, MAX_PEER_LENGTH)}…` : id;
}

/** The labels under which is counted what has no room under its own. */
export function otherLabels(labels: Labels): Labels {
  if ((labels[PEER_LABEL] ?? OTHER) !== OTHER) return { ...labels, [PEER_LABEL]: OTHER };
  return Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER]));
}

interface Described {
  readonly name: string;
  readonly help: string;
  /** Names of the labels; every number has all of them. */
  readonly labels?: readonly string[];
}

/** Without a peer of its own, or with one, it is one of few. */
function mayBeMany(labels: Labels): boolean {
  const { [PEER_LABEL]: peer } = labels;
  return peer === undefined ? Object.values(labels).some((value) => value !== OTHER) : peer !== OTHER;
}

class LabelSets<T> {
  readonly #sets = new Map<string, { readonly labels: Labels; readonly value: T }>();
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  at(labels: Labels): T {
    const key = Object.values(labels).join('\u0000');
    const known = this.#sets.get(key);
    if (known) return known.value;
    if (this.#sets.size >= MAX_LABEL_SETS && mayBeMany(labels)) return this.at(otherLabels(labels));
    const value = this.#make();
    this.#sets.set(key, { labels, value });
    return value;
  }

  values(): Iterable<{ readonly labels: Labels; readonly value: T }> {
    return this.#sets.values();
  }
}

/** A number that only grows, for each set of labels. */
export class Counter implements Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  readonly #sets = new LabelSets(() => ({ count: 0 }));

  /** @param type `gauge` for one that may shrink again */
  constructor({ name, help, labels = [] }: Described, type: 'counter' | 'gauge' = 'counter') {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.type = type;
  }

  add(labels: Labels = {}, amount = 1): void {
    this.#sets.at(labels).count += amount;
  }

  samples = (): Iterable<Sample> =>
    [...this.#sets.values()].map(({ labels, value }) => ({ labels, value: value.count }));
}

/** How often values fell below given bounds. */
export class Histogram implements Family {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly labels: readonly string[];
  readonly #bounds: readonly number[];
  readonly #sets: LabelSets<{ buckets: number[]; sum: number }>;

  /** @param bounds upper ends, rising */
  constructor({ name, help, labels = [] }: Described, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.#bounds = bounds;
    this.#sets = new LabelSets(() => ({ buckets: new Array<number>(bounds.length + 1).fill(0), sum: 0 }));
  }

  observe(value: number, labels: Labels = {}): void {
    const set = this.#sets.at(labels);
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket < 0 ? this.#bounds.length : bucket;
    set.buckets[index] = (set.buckets[index] ?? 0) + 1;
    set.sum += value;
  }

  samples = (): Iterable<Sample> =>
    [...this.#sets.values()].flatMap(({ labels, value }) => this.#samplesOf(labels, value));

  #samplesOf(
    labels: Labels,
    { buckets, sum }: { readonly buckets: readonly number[]; readonly sum: number },
  ): Sample[] {
    let count = 0;
    const samples: Sample[] = buckets.map((inBucket, index) => {
      count += inBucket;
      const bound = this.#bounds[index];
      return {
        suffix: '_bucket',
        labels: { ...labels, le: bound === undefined ? '+Inf' : String(bound) },
        value: count,
      };
    });
    return [...samples, { suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: count }];
  }
}

type ReadNumber = () => number | undefined;

/** One number that is read when somebody asks; none while `read` gives none. */
export function gauge(name: string, help: string, read: ReadNumber): Family {
  return { name, help, type: 'gauge', labels: [], samples: () => one(read()) };
}

/** As {@link gauge}, for a number that only grows. */
export function counter(name: string, help: string, read: ReadNumber): Family {
  return { name, help, type: 'counter', labels: [], samples: () => one(read()) };
}

function one(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ value }];
}

/** Numbers by one label, read when somebody asks. */
export function byLabel(
  described: Described & { readonly type: 'counter' | 'gauge'; readonly label: string },
  read: () => Iterable<readonly [value: string, number: number]>,
): Family {
  const { label, ...family } = described;
  return {
    ...family,
    labels: [label],
    samples: () => [...read()].map(([key, value]) => ({ labels: { [label]: key }, value })),
  };
}

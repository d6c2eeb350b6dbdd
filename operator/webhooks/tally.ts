import type { Counted, ThreadCounts } from './messages.ts';

/** Durations that are kept between two reports; what is beyond is counted by nobody, which only a flood can bring about. */
const MAX_DURATIONS = 2_000;

/** Counts in the webhooks' thread, for the metrics that are in the main thread. Labels are from small fixed sets. */
export class Tally {
  readonly #counters = new Map<string, { metric: Counted; labels: object; by: number }>();
  #durations: { endpoint: string; seconds: number }[] = [];
  #openConnections = 0;
  #isChanged = false;

  count(metric: Counted, labels: object = {}): void {
    const key = `${metric} ${JSON.stringify(labels)}`;
    const counter = this.#counters.get(key) ?? { metric, labels, by: 0 };
    counter.by += 1;
    this.#counters.set(key, counter);
    this.#isChanged = true;
  }

  duration(endpoint: string, seconds: number): void {
    if (this.#durations.length < MAX_DURATIONS) this.#durations.push({ endpoint, seconds });
    this.#isChanged = true;
  }

  open(connections: number): void {
    this.#openConnections = connections;
    this.#isChanged = true;
  }

  /** What was counted since it was taken last; undefined where nothing was. */
  take(): ThreadCounts | undefined {
    if (!this.#isChanged) return undefined;
    const counts = {
      counters: [...this.#counters.values()],
      durations: this.#durations,
      openConnections: this.#openConnections,
    };
    this.#counters.clear();
    this.#durations = [];
    this.#isChanged = false;
    return counts;
  }
}

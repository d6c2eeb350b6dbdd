/** Buckets per doubling: the error of a percentile is below one in 64. */
const STEPS = 64;

/** Counts of times in buckets that grow with the time, so that millions of them take a few kilobytes. Microseconds. */
export class Histogram {
  readonly #counts: number[] = [];
  #total = 0;

  get count(): number {
    return this.#total;
  }

  add(microseconds: number): void {
    const bucket = microseconds <= 1 ? 0 : Math.floor(Math.log2(microseconds) * STEPS);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total += 1;
  }

  /**
   * The time below which `share` percent lie: the upper end of the bucket that holds it.
   *
   * @throws RangeError when nothing was added
   */
  percentile(share: number): number {
    if (this.#total === 0) throw new RangeError('there is no percentile of nothing');
    let missing = Math.max(1, Math.ceil((share / 100) * this.#total));
    let bucket = 0;
    for (; bucket < this.#counts.length; bucket += 1) {
      missing -= this.#counts[bucket] ?? 0;
      if (missing <= 0) break;
    }
    return 2 ** ((bucket + 1) / STEPS);
  }
}

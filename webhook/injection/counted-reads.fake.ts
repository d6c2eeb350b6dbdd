/** Counts how often anything inside a value is read: what a function does, as a number that no busy machine changes. */
export class CountedReads {
  count = 0;
  readonly #seen = new WeakMap<object, object>();

  /** The same value, whose reads count. */
  of<T>(value: T): T {
    if (typeof value !== 'object' || value === null) return value;
    const known = this.#seen.get(value);
    if (known) return known as T;
    const counted = new Proxy(value, {
      get: (target, key, receiver) => {
        this.count += 1;
        return this.of(Reflect.get(target, key, receiver));
      },
    });
    this.#seen.set(value, counted);
    return counted;
  }
}

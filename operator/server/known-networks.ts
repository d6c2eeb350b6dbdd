/** Networks that have proven themselves, the last of them: an API server, Prometheus, the pods of the mesh. In bounded memory. */
export class KnownNetworks {
  readonly #max: number;
  /** In order of the last proof. */
  readonly #networks = new Set<string>();

  constructor(max = 1_024) {
    this.#max = max;
  }

  has(network: string): boolean {
    return this.#networks.has(network);
  }

  add(network: string): void {
    this.#networks.delete(network);
    this.#networks.add(network);
    const [oldest] = this.#networks;
    if (this.#networks.size > this.#max && oldest !== undefined) this.#networks.delete(oldest);
  }
}

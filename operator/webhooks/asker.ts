import type { ClusterFacts, ClusterQuestion } from '#webhook/cluster-view.ts';

export interface AskerDeps {
  readonly send: (id: number, question: ClusterQuestion) => void;
}

/** Questions that wait for their answer at the same time; the main thread is asked no more than it can answer at once. */
const MAX_WAITING = 64;
/** Less than the API server waits for a webhook. */
const ANSWER_MS = 3_000;

/** Asks the main thread, which has the caches, what a review needs to know. */
export class Asker {
  readonly #deps: AskerDeps;
  readonly #waiting = new Map<number, (facts: ClusterFacts) => void>();
  #ids = 0;

  constructor(deps: AskerDeps) {
    this.#deps = deps;
  }

  /** @throws Error when there is no answer in time, or too many questions wait for theirs */
  async ask(question: ClusterQuestion): Promise<ClusterFacts> {
    if (this.#waiting.size >= MAX_WAITING) throw new Error('too many reviews at once');
    const id = (this.#ids += 1);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<ClusterFacts>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('the main thread does not answer')), ANSWER_MS);
        this.#waiting.set(id, resolve);
        this.#deps.send(id, question);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  answered(id: number, facts: ClusterFacts): void {
    this.#waiting.get(id)?.(facts);
  }
}

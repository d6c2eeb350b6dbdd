import { Worker } from 'node:worker_threads';

/** Runs in a thread of its own, so that a program that never ends does not stop it. */
const WATCH = `
  const { workerData } = require('node:worker_threads');
  const [counter, seed] = [0, 1];
  const shared = new Int32Array(workerData.shared);
  let last = -1;
  setInterval(() => {
    if (Atomics.load(shared, counter) === last) {
      process.stderr.write('seed ' + (Atomics.load(shared, seed) >>> 0) + ' does not end\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    last = Atomics.load(shared, counter);
  }, workerData.ms);
`;

/** Ends the process, and says with which seed, when no program has ended for so long. */
export class Watchdog {
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  constructor(ms: number) {
    this.#worker = new Worker(WATCH, { eval: true, workerData: { shared: this.#shared.buffer, ms } });
    this.#worker.unref();
  }

  /** The program of this seed begins. */
  begins(seed: number): void {
    Atomics.store(this.#shared, 1, seed | 0);
    Atomics.add(this.#shared, 0, 1);
  }

  stop(): Promise<number> {
    return this.#worker.terminate();
  }
}

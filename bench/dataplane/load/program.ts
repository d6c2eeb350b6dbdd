import type { House } from '../machine/house.ts';
import type { Running } from '../machine/processes.ts';
import type { Ask, Reply } from './channel.ts';

/** A load program of this folder in a process of its own, and questions to it. */
export class Program {
  readonly #house: House;
  readonly #running: Running;
  #asked = 0;

  private constructor(house: House, running: Running) {
    this.#house = house;
    this.#running = running;
  }

  /** @param name of a file in this folder, without its ending */
  static async start(house: House, name: string): Promise<Program> {
    const bundle = await bundled(house, name);
    const running = house.processes.start({
      title: name,
      program: house.node,
      args: [bundle],
      channel: true,
    });
    return new Program(house, running);
  }

  /** @throws Error with what went wrong in the program, or the end of its output when it has ended */
  ask<T>(name: string, argument?: unknown): Promise<T> {
    const { child } = this.#running;
    const id = (this.#asked += 1);
    const ask: Ask = { id, name, argument };
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        child.off('message', onMessage);
        child.off('exit', onExit);
        act();
      };
      const onMessage = (reply: Reply<T>): void => {
        if (reply.id !== id) return;
        settle(() => ('error' in reply ? reject(new Error(reply.error)) : resolve(reply.value)));
      };
      const onExit = (): void => settle(() => reject(this.#running.end));
      child.on('message', onMessage).once('exit', onExit);
      child.send(ask);
    });
  }

  stop(): Promise<void> {
    return this.#house.processes.stop(this.#running);
  }
}

const bundles = new WeakMap<House, Map<string, Promise<string>>>();

function bundled(house: House, name: string): Promise<string> {
  const known = bundles.get(house) ?? new Map<string, Promise<string>>();
  bundles.set(house, known);
  const bundle = known.get(name) ?? house.bundle(`bench/dataplane/load/${name}.ts`, name);
  known.set(name, bundle);
  return bundle;
}

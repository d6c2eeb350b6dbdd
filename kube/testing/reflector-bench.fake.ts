import type { FakeApiOptions, FakeRequest } from './fake-api.fake.ts';
import { FakeApiServer } from './fake-api.fake.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { Reflector } from '../watch/reflector.ts';
import type { ReflectorOptions } from '../watch/reflector.ts';
import { PODS } from '../types.ts';
import type { Pod } from '../types.ts';
import { eventually } from '#base/testing/eventually.ts';

/** A server with pods and a reflector that watches them: what the reflector's tests share. */

export let fake: FakeApiServer;
export let reflector: Reflector<Pod>;
/** The keys of each call of `onChange`. */
export let calls: string[][];

/** A server with the pods shop/a and shop/b, and a reflector that has seen them and watches. */
export async function started(
  options: Partial<ReflectorOptions<Pod>> = {},
  server?: FakeApiOptions,
): Promise<void> {
  await serving(server);
  put('a', 'b');
  watching(options);
  await reflector.synced;
  await eventually(() => fake.openWatches === 1);
}

export async function serving(server?: FakeApiOptions): Promise<void> {
  fake = await FakeApiServer.started(server);
}

export function watching(options: Partial<ReflectorOptions<Pod>> = {}): void {
  calls = [];
  reflector = new Reflector<Pod>({
    api: fake.api,
    type: PODS,
    clock: systemClock,
    log: silentLog,
    // Waits are a hundredth of the longest, so that tests do not take theirs.
    random: () => 0.01,
    onChange: (_items, changed) => void calls.push([...changed].sort()),
    ...options,
  });
  reflector.start();
}

/** For `afterEach`. */
export async function ended(): Promise<void> {
  await reflector?.stop();
  await fake?.close();
}

export function put(...names: string[]): void {
  for (const name of names) fake.put(PODS, { metadata: { name, namespace: 'shop' } });
}

export function label(name: string, value: string): void {
  fake.put(PODS, { metadata: { name, namespace: 'shop', labels: { value } } });
}

export function remove(name: string): void {
  fake.remove(PODS, { name, namespace: 'shop' });
}

export const keys = (): string[] => [...reflector.items.keys()].sort();
export const ofWatch = (request: FakeRequest): boolean => request.watch;
export const ofList = (request: FakeRequest): boolean => !request.watch;

import { runOk } from './run.ts';

type Component = 'apiserver' | 'controller-manager';

/** Stops one component of the test cluster, as if its machine had failed. */
export async function stopComponent(name: Component): Promise<void> {
  await runOk(['node_modules/.bin/tsx', 'e2e/cluster/main.ts', 'stop', name]);
}

/** Starts a component that {@link stopComponent} stopped. */
export async function startComponent(name: Component): Promise<void> {
  await runOk(['node_modules/.bin/tsx', 'e2e/cluster/main.ts', 'start', name]);
}

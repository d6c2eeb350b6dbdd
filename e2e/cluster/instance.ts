/**
 * Which of several clusters on one machine is meant: `MESH_CLUSTER_INSTANCE`, a digit, 0 by default. Each has its own names,
 * address ranges and state; binaries and images are shared.
 * @throws Error when the variable is not a digit
 */
function instanceFrom(environment: NodeJS.ProcessEnv): number {
  const text = environment['MESH_CLUSTER_INSTANCE'] ?? '0';
  if (!/^\d$/.test(text))
    throw new Error(`MESH_CLUSTER_INSTANCE is ${JSON.stringify(text)}; it must be a digit.`);
  return Number(text);
}

/** The number of the cluster that is meant. */
export const instance = instanceFrom(process.env);

/** What tells the names of this cluster's folders from those of the others; empty for the first. */
export const instanceSuffix = instance === 0 ? '' : String(instance);

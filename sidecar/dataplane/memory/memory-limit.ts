import { MEBIBYTE } from '#core/quantity.ts';

/** Of the memory limit, what peers may fill. The rest is for the program, its own data, and what Node keeps until it collects garbage. */
const PEERS_SHARE = 0.46;
/** Where nothing limits the process, such as on a machine outside of a cluster. */
const UNLIMITED_BYTES = 512 * MEBIBYTE;

export interface MemoryLimitOptions {
  /** Of the container, bytes, as `process.constrainedMemory()` says it; 0 or undefined where there is none. */
  readonly constrained: number | undefined;
  /** Of the machine. */
  readonly total: number;
  /** Processes that share it. */
  readonly processes: number;
}

/**
 * What peers may make one process of a sidecar hold, bytes.
 *
 * @param limit of the container, and who shares it
 */
export function memoryForPeers({ constrained, total, processes }: MemoryLimitOptions): number {
  const isLimited = constrained !== undefined && constrained > 0 && constrained < total;
  return ((isLimited ? constrained : UNLIMITED_BYTES) * PEERS_SHARE) / processes;
}

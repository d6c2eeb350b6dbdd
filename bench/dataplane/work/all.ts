import { bulk } from './bulk.ts';
import { connections } from './connections.ts';
import { keepAlive } from './keep-alive.ts';
import { manyStreams, memory } from './memory.ts';
import { mixed } from './mixed.ts';
import { openLoop } from './open-loop.ts';
import type { WorkName, Workload } from './workload.ts';

/** In the order in which they run: the open loop takes its rate from what keep-alive found. */
export const WORKLOADS: Readonly<Record<WorkName, Workload>> = {
  'keep-alive': keepAlive,
  'open-loop': openLoop,
  connections,
  bulk,
  mixed,
  memory,
  'many-streams': manyStreams,
};

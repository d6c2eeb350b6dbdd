import { processorSeconds } from '../measure/processor-time.ts';
import { warmUpSeconds, withPair } from './workload.ts';
import type { Workload } from './workload.ts';

const AT_ONCE = 16;

/** Connections that each carry one request, sixteen at a time; the server closes each after its answer. */
export const connections: Workload = (turn) =>
  withPair(turn, 'origin', async ({ port, pids }) => {
    const { wrk, seconds } = turn;
    const load = { port, connections: AT_ONCE, close: true };
    await wrk({ ...load, seconds: warmUpSeconds(seconds) });
    const before = processorSeconds(pids);
    const { requests, requestsPerSecond, errors } = await wrk({ ...load, seconds });
    const used = processorSeconds(pids) - before;
    return {
      connections: requestsPerSecond,
      'failed-connections': errors,
      ...(pids.length === 0 ? {} : { 'cpu-connections': (used / requests) * 10_000 }),
    };
  });

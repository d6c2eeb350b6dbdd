import { processorSeconds } from '../measure/processor-time.ts';
import { warmUpSeconds, withPair } from './workload.ts';
import type { Workload } from './workload.ts';

/** For the handshakes of all connections to be over; the slowest proxy makes a hundred in a second. */
const [IDLE_32, IDLE_256] = [1, 3];

/** Small HTTP requests one after another on connections that stay, 1, 32 and 256 of them. */
export const keepAlive: Workload = (turn) =>
  withPair(turn, 'origin', async ({ port, pids }) => {
    const { wrk, seconds } = turn;
    await wrk({ port, connections: 32, seconds: warmUpSeconds(seconds) });
    const one = await wrk({ port, connections: 1, seconds });
    const running = wrk({ port, connections: 32, seconds, idleSeconds: IDLE_32 });
    const [before] = await Promise.all([afterIdling(pids), running]);
    const [some, used] = [await running, processorSeconds(pids) - before];
    const many = await wrk({ port, connections: 256, seconds, idleSeconds: IDLE_256 });
    return {
      'requests-1': one.requestsPerSecond,
      'requests-32': some.requestsPerSecond,
      'requests-256': many.requestsPerSecond,
      'p50-1': one.p50,
      'p99-256': many.p99,
      'failed-requests': one.errors + some.errors + many.errors,
      ...(pids.length === 0 ? {} : { 'cpu-requests': (used / some.requests) * 100_000 }),
    };
  });

async function afterIdling(pids: readonly number[]): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, IDLE_32 * 1000));
  return processorSeconds(pids);
}

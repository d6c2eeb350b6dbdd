import type { OpenLoopFigures, OpenLoopOrder } from '../load/open-loop.ts';
import { Program } from '../load/program.ts';
import { warmUpSeconds, withPair } from './workload.ts';
import type { Workload } from './workload.ts';

const CONNECTIONS = 64;

/** Requests at a fixed rate that does not wait for answers, which is how users come: half of what the best peer can do. */
export const openLoop: Workload = async (turn) => {
  const rate = await turn.openRate();
  const { house, seconds } = turn;
  return withPair(turn, 'origin', async ({ port }) => {
    const client = await Program.start(house, 'open-loop');
    try {
      const order: OpenLoopOrder = {
        port,
        connections: CONNECTIONS,
        rate,
        seconds,
        warmUpSeconds: warmUpSeconds(seconds),
      };
      const { p50, p99, sent, unanswered, clientP99 } = await client.ask<OpenLoopFigures>('run', order);
      const slow = unanswered > 0 ? `, ${unanswered} of ${sent} not answered in time` : '';
      house.say(`  ${rate}/s, 99 % of them sent within ${clientP99.toFixed(1)} ms of their time${slow}`);
      return { 'open-p50': p50, 'open-p99': p99 };
    } finally {
      await client.stop();
    }
  });
};

import { readFileSync } from 'node:fs';

import { descriptorLimit } from '../measure/descriptors.ts';
import { Program } from '../load/program.ts';
import type { StreamsOrder } from '../load/streams.ts';
import { largest, memoryOf } from '../measure/memory.ts';
import type { Memory } from '../measure/memory.ts';
import type { Pair } from '../proxies/proxy.ts';
import { withPair } from './workload.ts';
import type { Turn, Workload } from './workload.ts';

/** For what was set aside at the start to be given back, milliseconds. */
const SETTLE_MS = 4_000;
const SOME = 1_000;
const MANY = 10_000;
/** Descriptors for everything but streams. */
const SPARE = 100;

/** Memory of one proxy, the larger of the two: idle, and with a thousand idle streams. */
export const memory: Workload = async (turn) => {
  if (turn.proxy.kind === 'none') return {};
  return withPair(turn, 'backend', async (pair) => {
    const idle = await settled(pair);
    const some = await withStreams(turn, pair, SOME);
    return {
      'memory-idle': idle.resident,
      'memory-idle-private': idle.private,
      'memory-1000': some.resident,
      'memory-1000-private': some.private,
    };
  });
};

/**
 * Ours with ten thousand idle streams: more than a sidecar takes unless it is told to, so with a larger heap too. Once: it takes long, and hardly differs from round to round.
 */
export const manyStreams: Workload = async (turn) => {
  if (turn.proxy.kind !== 'ours' || turn.round > 0) return {};
  const { hard } = descriptorLimit(readFileSync('/proc/self/limits', 'utf8'));
  if (turn.proxy.name === 'mesh-plain' && hard < 2 * MANY + SPARE)
    throw new Error(`a process may have ${hard} descriptors here, and this needs two for each stream`);
  const many = await withPair(turn, 'backend', (pair) => withStreams(turn, pair, MANY), { streams: MANY });
  return { 'memory-10000': many.resident, 'memory-10000-private': many.private };
};

async function withStreams({ house }: Turn, pair: Pair, streams: number): Promise<Memory> {
  const client = await Program.start(house, 'streams');
  try {
    await client.ask('idle', { port: pair.port, streams } satisfies StreamsOrder);
    const held = await settled(pair);
    const { open } = await client.ask<{ open: number }>('open');
    if (open !== streams) throw new Error(`only ${open} of ${streams} idle streams stayed open`);
    return held;
  } finally {
    await client.stop();
  }
}

async function settled({ pids }: Pair): Promise<Memory> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return largest(pids.map(memoryOf));
}

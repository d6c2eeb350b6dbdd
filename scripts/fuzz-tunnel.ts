/**
 * Tries the tunnel protocol with programs by chance: `npm run fuzz:tunnel -- --minutes 10 [--seed N] [--once]`.
 *
 *   --minutes N   how long (default 1)
 *   --seed N      where to begin (default: by the clock); each program has the next seed
 *   --once        only the program of that seed
 *
 * Looks for exceptions that nobody catches, sessions and streams that do not end, what is told to applications and cannot be,
 * and memory that grows. A fault ends it with status 1, the seed and the shortest program that has it.
 */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { programOf } from './fuzz/program.ts';
import { run } from './fuzz/run.ts';
import { shrink } from './fuzz/shrink.ts';
import { Watchdog } from './fuzz/watchdog.ts';

const STUCK_MS = 20_000;
const LOOK_EVERY_MS = 10_000;
const MOST_GROWTH_MIB = 32;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    once: { type: 'boolean', default: false },
  },
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heldMib(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1_048_576;
}

async function fuzz(first: number, minutes: number): Promise<boolean> {
  const watchdog = new Watchdog(STUCK_MS);
  const started = Date.now();
  const until = started + minutes * 60_000;
  let base: number | undefined;
  let looked = started;
  let seed = first;
  console.log(`from seed ${first}, ${minutes} minutes`);
  for (; values.once ? seed === first : Date.now() < until; seed = (seed + 1) >>> 0) {
    watchdog.begins(seed);
    const program = programOf(seed);
    const fault = await run(program);
    if (fault) {
      const shortest = await shrink(program, fault);
      console.error(`seed ${seed}: ${fault}\nshortest program:\n${JSON.stringify(shortest, undefined, 1)}`);
      return false;
    }
    if (Date.now() - looked < LOOK_EVERY_MS) continue;
    looked = Date.now();
    const held = heldMib();
    base ??= held;
    const done = (seed - first) >>> 0;
    console.log(`${Math.round((looked - started) / 1000)} s, ${done} programs, ${held.toFixed(1)} MiB held`);
    if (held - base > MOST_GROWTH_MIB) {
      console.error(`memory grew from ${base.toFixed(1)} to ${held.toFixed(1)} MiB`);
      return false;
    }
  }
  console.log(`${(seed - first) >>> 0} programs, no fault`);
  await watchdog.stop();
  return true;
}

const first = values.seed === undefined ? Date.now() >>> 0 : Number(values.seed);
process.exitCode = (await fuzz(first, Number(values.minutes))) ? 0 : 1;

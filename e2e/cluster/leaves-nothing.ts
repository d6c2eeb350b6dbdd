/**
 * Proves that a cluster leaves nothing behind: takes a picture of the machine, brings the cluster up, kills a second `up` in the
 * middle, takes everything down, and compares. Ends with exit code 1 when something is left.
 *
 *     npx tsx e2e/cluster/leaves-nothing.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { chooseBackend } from './choose.ts';
import { differences, machineState } from './machine-state.ts';
import { Steps, sleep } from './steps.ts';
import { verify } from './verify.ts';

const steps = new Steps();
const backend = await chooseBackend();
await backend.down(steps);
const before = await machineState();
let failed = false;

await backend.up(steps);
// Only pods make the container runtime leave its traces.
await verify(backend, steps);
if (differences(before, await machineState()).length === 0) {
  // Without this the comparisons below would prove nothing.
  console.error('A running cluster left no trace: the comparison is blind.');
  failed = true;
}
await backend.down(steps);
failed = report('up and down', differences(before, await machineState())) || failed;

for (const seconds of [3, 8]) {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const killed = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, 'up'], {
    stdio: 'inherit',
  });
  await sleep(seconds * 1000);
  killed.kill('SIGKILL');
  await once(killed, 'close');
  await backend.down(steps);
  failed =
    report(`an up killed after ${seconds} s, and down`, differences(before, await machineState())) || failed;
}
process.exitCode = failed ? 1 : 0;

function report(what: string, left: string[]): boolean {
  console.log(left.length === 0 ? `${what}: nothing is left` : `${what}: left behind:\n${left.join('\n')}`);
  return left.length > 0;
}

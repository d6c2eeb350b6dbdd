import type { Program, Step } from './program.ts';
import { run } from './run.ts';

/** The first line of a fault: stacks differ while a program gets shorter. */
function kindOf(fault: string | undefined): string | undefined {
  return fault?.split('\n')[0]?.replace(/\d+/g, 'N');
}

/** Leaves out of a program what is not needed for its fault, until nothing more can go. */
export async function shrink(program: Program, fault: string): Promise<Program> {
  const wanted = kindOf(fault);
  const fails = async (steps: readonly Step[]) => kindOf(await run({ ...program, steps })) === wanted;
  let steps = program.steps;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < steps.length;) {
      const without = [...steps.slice(0, at), ...steps.slice(at + size)];
      if (await fails(without)) steps = without;
      else at += size;
    }
  }
  return { ...program, steps };
}

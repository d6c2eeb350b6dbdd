import { Command } from 'commander';
import type { ClusterBackend } from './backend.ts';
import { chooseBackend } from './choose.ts';
import { Steps } from './steps.ts';

const steps = new Steps();
const program = new Command('cluster').description('A real Kubernetes cluster on this machine, for end-to-end tests.');

program.command('up').description('bring the cluster up; returns at once when it is').action(withBackend((backend) => backend.up(steps)));
program.command('down').description('take it down and leave nothing behind').action(withBackend((backend) => backend.down(steps)));
program
  .command('status')
  .description('say how it is; the exit code is 0 when it is up')
  .action(
    withBackend(async (backend) => {
      const { up, lines } = await backend.status();
      console.log([backend.name, ...lines].join('\n'));
      if (!up) process.exitCode = 1;
    }),
  );
program
  .command('load <archive>')
  .description('make the images of an OCI or Docker archive usable by pods')
  .action(withBackend(async (backend, archive) => console.log((await backend.loadImage(archive ?? '')).join('\n'))));
program.command('images').description('list the images that pods can use').action(withBackend(async (backend) => console.log((await backend.images()).join('\n'))));
program.command('stop <component>').description('stop one component').action(withBackend((backend, name) => backend.stop(name ?? '')));
program.command('start <component>').description('start it again').action(withBackend((backend, name) => backend.start(name ?? '')));

/** Commands fail with one sentence, not with a stack. */
function withBackend(action: (backend: ClusterBackend, argument?: string) => Promise<void>) {
  return async (argument?: unknown): Promise<void> => {
    try {
      await action(await chooseBackend(), typeof argument === 'string' ? argument : undefined);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  };
}

await program.parseAsync();

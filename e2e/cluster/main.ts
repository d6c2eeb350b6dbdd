import { Command } from 'commander';
import { ensureBaseImages } from './base-image.ts';
import type { ClusterBackend } from './backend.ts';
import { buildImage } from './build-image.ts';
import { chooseBackend } from './choose.ts';
import { Steps } from './steps.ts';
import { verify } from './verify.ts';

const steps = new Steps();
const program = new Command('cluster').description(
  'A real Kubernetes cluster on this machine, for end-to-end tests.',
);

program
  .command('prepare')
  .description('install and build what `up` needs, without bringing the cluster up')
  .action(withBackend((backend) => backend.prepare(steps)));
program
  .command('up')
  .description('bring the cluster up; returns at once when it is')
  .action(withBackend((backend) => backend.up(steps)));
program
  .command('down')
  .description('take it down and leave nothing behind')
  .action(withBackend((backend) => backend.down(steps)));
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
  .command('load <image>')
  .description('make an OCI or Docker archive, or an image that was built here, usable by pods')
  .action(
    withBackend(async (backend, archive) => console.log((await backend.loadImage(archive ?? '')).join('\n'))),
  );
program
  .command('images')
  .description('list the images that pods can use')
  .action(withBackend(async (backend) => console.log((await backend.images()).join('\n'))));
program
  .command('stop <component>')
  .description('stop one component')
  .action(withBackend((backend, name) => backend.stop(name ?? '')));
program
  .command('start <component>')
  .description('start it again')
  .action(withBackend((backend, name) => backend.start(name ?? '')));

program
  .command('verify')
  .description('run pods that prove what tests rely on: DNS, Services, redirection, tokens, logs, exec')
  .action(withBackend((backend) => verify(backend, steps)));
program
  .command('base-image')
  .description('make the base images that Dockerfiles name, for machines without a registry')
  .option('--force', 'make them again, with the latest updates', false)
  .action(guarded((options: { force: boolean }) => ensureBaseImages(steps, options.force)));
program
  .command('build [context]')
  .description('build an image and make it usable by pods')
  .requiredOption('-f, --file <dockerfile>', 'the Dockerfile')
  .requiredOption('-t, --tag <name>', "the image's name, such as mesh.dev/sidecar:e2e")
  .option('--build-arg <NAME=value...>', 'values for ARG lines')
  .option('--target <stage>', 'the stage to build')
  .option('--no-cache', 'build from the first line, even when nothing has changed')
  .action(guarded(build));

async function build(
  context: string | undefined,
  options: { file: string; tag: string; buildArg?: string[]; target?: string; cache: boolean },
): Promise<void> {
  const { file, tag: name, buildArg: args = [], target, cache } = options;
  const request = {
    file,
    name,
    context: context ?? '.',
    noCache: !cache,
    args,
    ...(target === undefined ? {} : { target }),
  };
  const backend = await chooseBackend();
  const { archive, built } = await buildImage(request, steps);
  const { up } = await backend.status();
  if (up) console.log((await backend.loadImage(archive)).join('\n'));
  steps.say(`${name}: ${built ? 'built' : 'unchanged'}${up ? ' and loaded' : '; the next `up` loads it'}`);
}

/** Commands fail with one sentence, not with a stack. */
function guarded<A extends unknown[]>(action: (...args: A) => Promise<void>) {
  return async (...args: A): Promise<void> => {
    try {
      await action(...args);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  };
}

function withBackend(action: (backend: ClusterBackend, argument?: string) => Promise<void>) {
  return guarded(async (argument?: unknown) =>
    action(await chooseBackend(), typeof argument === 'string' ? argument : undefined),
  );
}

await program.parseAsync();

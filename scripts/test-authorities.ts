import { STEP_CA, VAULT, buildProgram } from '../operator/ca/go-programs.fake.ts';

/** Builds the real authorities that the providers' tests run against, once, into the user's cache: minutes of processor time, and the network. */
for (const program of [STEP_CA, VAULT]) {
  const what = `${program.name} ${program.version}`;
  process.stdout.write(`${what}: `);
  try {
    process.stdout.write(`${await buildProgram(program)}\n`);
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

import { errorText } from '#base/error-text.ts';

import {
  GHOSTUNNEL,
  SPIRE_AGENT,
  SPIRE_SERVER,
  STEP_CA,
  VAULT,
  buildProgram,
} from '../operator/ca/go-programs.fake.ts';

/** Builds the real authorities, and the programs of other trust domains, that tests run against, once, into the user's cache: minutes of processor time, and the network. */
for (const program of [STEP_CA, VAULT, SPIRE_SERVER, SPIRE_AGENT, GHOSTUNNEL]) {
  const what = `${program.name} ${program.version}`;
  process.stdout.write(`${what}: `);
  try {
    process.stdout.write(`${await buildProgram(program)}\n`);
  } catch (error) {
    process.stdout.write(`${errorText(error)}\n`);
    process.exitCode = 1;
  }
}

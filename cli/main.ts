import { Command, CommanderError } from 'commander';

import { errorText } from '#base/error-text.ts';
import { CliError } from '#local/cli-error.ts';

import packageJson from '../package.json' with { type: 'json' };
import { addDev } from './dev-command.ts';
import { addRun } from './run-command.ts';

/** A wrong command line. */
const USAGE = 2;

/** The `mesh` command. @returns its exit code */
async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command('mesh')
    .description('Secure connections between services: identities, mutual TLS, and who may call whom.')
    .version(packageJson.version)
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(--help says what can be written)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'mesh: ')) });
  const done = (code: number): void => void (exitCode = code);
  addDev(program, done);
  addRun(program, done);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (!(error instanceof CliError)) throw error;
    process.stderr.write(`mesh: ${error.message}\n`);
    return error.exitCode;
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`mesh: ${errorText(error)}\n`);
    process.exit(1);
  },
);

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What a caller may say about a command besides its arguments. */
export interface CommandOptions {
  /** Appends both output streams to this file instead of collecting them. */
  log?: string;
  cwd?: string;
  /** Replaces the environment; left out, the command inherits ours. */
  env?: NodeJS.ProcessEnv;
  /** What to call it in an error message, where the program and its first argument say too little. */
  title?: string;
  /** Text for its standard input. */
  input?: string;
}

/** The end of a command. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** A command that ended badly: the message holds the last lines it wrote, and where the rest is. */
class CommandError extends Error {
  override name = 'CommandError';
}

/**
 * Runs a command to its end, never through a shell.
 * @param program name or path of the program
 * @param args its arguments
 * @returns its exit code and, unless they went to a log file, what it wrote
 * @throws CommandError when the program cannot be started
 */
export async function run(
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  if (options.log !== undefined) mkdirSync(dirname(options.log), { recursive: true });
  const log = options.log === undefined ? undefined : openSync(options.log, 'a');
  const sink = log ?? 'pipe';
  try {
    return await new Promise<CommandResult>((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: options.cwd,
        env: options.env ?? process.env,
        stdio: [options.input === undefined ? 'ignore' : 'pipe', sink, sink],
      });
      let stdout = '';
      let stderr = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', (error) =>
        reject(new CommandError(`${program} could not be started: ${error.message}`)),
      );
      child.once('close', (code, signal) =>
        resolve({ code: code ?? 1, stdout, stderr: stderr + (signal ? `\n(${signal})` : '') }),
      );
      // A program may end before it has read everything; its exit code tells more than the broken pipe.
      child.stdin?.on('error', () => undefined).end(options.input);
    });
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

/**
 * Runs a command that has to succeed.
 * @returns what it wrote on its standard output (empty when that went to a log file)
 * @throws CommandError with the last lines of its output when its exit code is not 0
 */
export async function output(program: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(program, args, options);
  if (result.code === 0) return result.stdout;
  const where = options.log === undefined ? '' : `\nThe whole log: ${options.log}`;
  const said =
    options.log === undefined ? lastLines(result.stderr || result.stdout) : lastLinesOf(options.log);
  throw new CommandError(
    `${options.title ?? `${program} ${args[0] ?? ''}`} ended with exit code ${result.code}:\n${said}${where}`,
  );
}

/** The last lines of a log file, for an error message; empty when it cannot be read. */
function lastLinesOf(file: string, count = 15): string {
  try {
    return lastLines(readFileSync(file, 'utf8'), count);
  } catch {
    return '';
  }
}

function lastLines(text: string, count = 15): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

import { pino } from 'pino';

import type { LogLevel } from './log-level.ts';
import { boundedFields, printableLine } from './log-text.ts';

/** Where a part of the mesh says what it does: fields for machines, a sentence for people, no secrets. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: object): Logger;
}

/** Takes whole lines. */
export interface LogOutput {
  write(line: string): void;
}

/**
 * One JSON object per line on standard output: `{"level":"info","time":"...","name":...,"msg":...}`. Errors go in the
 * field `err`. Written synchronously, so that the last lines of a process are not lost. What others wrote into a field is bounded, and cannot
 * be mistaken for something else.
 *
 * @param out where lines go instead, for tests
 */
export function jsonLog(
  name: string,
  level: LogLevel,
  out: LogOutput = pino.destination({ dest: 1, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: boundedFields },
      serializers: { err: (error: Error) => boundedFields(pino.stdSerializers.err(error)) },
    },
    { write: (line: string) => out.write(printableLine(line)) },
  );
}

/** Says nothing. */
export const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

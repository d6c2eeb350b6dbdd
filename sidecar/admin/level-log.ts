import { writeSync } from 'node:fs';

import type { LogLevel } from '#base/log-level.ts';
import type { Logger } from '#base/log.ts';
import { boundedList, boundedText, printableLine } from '#base/log-text.ts';

const WEIGHT: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 };

/** Writes one line. Throws nothing. */
export type WriteLine = (line: string) => void;

/**
 * The sidecar's own logger: lines as `base/log.ts` writes them, with a level that can be changed while it runs. Written
 * here because pino costs every pod two megabytes and keeps the level of a child apart from its parent's.
 */
export class LevelLog {
  #level: LogLevel;
  readonly #write: WriteLine;
  readonly #common: object;

  /**
   * @param write default: standard output, synchronously, so that the last lines of a process are not lost
   * @param common in every line, such as which of several processes writes it
   */
  constructor(level: LogLevel, write: WriteLine = writeToStdout, common: object = {}) {
    this.#level = level;
    this.#write = write;
    this.#common = common;
  }

  get level(): LogLevel {
    return this.#level;
  }

  /** Takes effect at once, for every logger made by this one. */
  setLevel(level: LogLevel): void {
    this.#level = level;
  }

  /** A logger whose lines carry `fields`. */
  logger(fields: object): Logger {
    const at = (level: LogLevel) => (own: object, message: string) => this.#line(level, fields, own, message);
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (more) => this.logger({ ...fields, ...more }),
    };
  }

  #line(level: LogLevel, fields: object, own: object, message: string): void {
    if (WEIGHT[level] < WEIGHT[this.#level]) return;
    const line = { level, time: new Date().toISOString(), ...this.#common, ...fields, ...own, msg: message };
    this.#write(`${toJson(line)}\n`);
  }
}

function toJson(line: object): string {
  try {
    return printableLine(JSON.stringify(line, replacer));
  } catch {
    return JSON.stringify({
      level: 'error',
      time: new Date().toISOString(),
      msg: 'a log line could not be written as JSON',
    });
  }
}

function replacer(_key: string, value: unknown): unknown {
  if (value instanceof Error) {
    const { code } = value as NodeJS.ErrnoException;
    return {
      type: value.name,
      message: boundedText(value.message),
      ...(code === undefined ? {} : { code }),
      stack: boundedText(value.stack ?? ''),
    };
  }
  if (typeof value === 'string') return boundedText(value);
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return boundedList(value);
  if (value instanceof Map) return Object.fromEntries(value);
  return value;
}

const STDOUT = 1;
const MAX_TRIES = 50;

function writeToStdout(line: string): void {
  let rest = Buffer.from(line);
  // A pipe whose reader is slow answers EAGAIN; a log must neither grow our memory without end nor stop the traffic.
  for (let tries = 0; rest.length > 0 && tries < MAX_TRIES; tries++) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
    }
  }
}

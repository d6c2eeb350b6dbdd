import { createHash } from 'node:crypto';

import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { AnchorKeeper } from './anchor-keeper.ts';
import { CausedLines } from './caused-lines.ts';
import type { Cause } from './caused-lines.ts';
import { CHAIN_BEGIN, MAX_LINE, endAt, nextLine } from './chain.ts';
import type { AuditEntry, ChainEnd } from './chain.ts';

/** What is asked of a file; `node:fs/promises`' FileHandle, opened for reading and appending, is one. */
export interface AppendableFile {
  stat(): Promise<{ readonly size: number }>;
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  appendFile(text: string): Promise<void>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface AuditFileDeps {
  readonly open: () => Promise<AppendableFile>;
  /** Where it is, for people. */
  readonly path: string;
  /** This replica's name, in every line. */
  readonly replica: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'auditLines' | 'auditLeftOut' | 'auditFault'>;
  /** Knows outside of the file how far it has come; without one, what is cut off at its end shows to nobody. */
  readonly anchor?: Pick<AnchorKeeper, 'reached' | 'close' | 'fault'> | undefined;
  /** In bytes; default 1 GiB. A file that is as long takes no more. */
  readonly maxSize?: number;
}

const MAX_SIZE = 1024 ** 3;
/** Lines that wait for the disk; what comes on top is lost, counted, and said in the file. */
const MAX_WAITING = 10_000;
const BATCH = 256;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Bounds what others can make us write. */
const MAX_TEXT = 512;

interface OpenFile {
  readonly handle: AppendableFile;
  size: number;
  end: ChainEnd;
}

/**
 * A file of what was signed and refused, as a chain of hashes. Lines are written in batches, each synced to the disk before the next; nobody waits
 * for them, so a disk that is full or gone stops no signing. What could not be written is a fault that is told, and a
 * line in the file once it can be written again.
 */
export class AuditFile {
  readonly #deps: AuditFileDeps;
  readonly #waiting: (AuditEntry & { readonly time: string })[] = [];
  readonly #ending = new AbortController();
  readonly #caused = new CausedLines();
  /** Lines that are not in the file and that no line tells of yet. */
  #lost = 0;
  #file: OpenFile | undefined;
  #fault: string | undefined;
  #work: Promise<void> | undefined;

  constructor(deps: AuditFileDeps) {
    this.#deps = deps;
  }

  /** Opens the file and says in it that a process has begun. What fails is in {@link fault}, and is tried again. */
  start(): void {
    this.record({ event: 'started' });
  }

  /**
   * Adds a line. Never throws, never waits.
   *
   * @param cause who can cause it at will by asking: then too many are left out and only counted
   */
  record(entry: AuditEntry, cause?: Cause): void {
    const { clock, metrics } = this.#deps;
    if (cause && !this.#caused.take(cause, clock.now())) {
      metrics.auditLines.inc({ result: 'left-out' });
      metrics.auditLeftOut.inc({ reason: cause.reason });
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      this.#lost += 1;
      metrics.auditLines.inc({ result: 'lost' });
      return;
    }
    this.#waiting.push({ ...bounded(entry), time: this.#now() });
    this.#work ??= this.#write().finally(() => (this.#work = undefined));
  }

  /** Why lines are not written, or could be taken away, a sentence; undefined when all is well. */
  get fault(): string | undefined {
    return this.#fault ?? this.#deps.anchor?.fault;
  }

  /** Where the chain ends on the disk. */
  get end(): ChainEnd | undefined {
    return this.#file?.end;
  }

  /** Writes what waits, tries nothing again, and closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.record({ event: 'ended' });
    this.#ending.abort();
    await this.#work;
    await this.#deps.anchor?.close();
    await this.#file?.handle.close().catch(() => undefined);
    const { log, path } = this.#deps;
    const lost = this.#lost + this.#waiting.length;
    const line = { path, ...this.#file?.end, ...(lost > 0 ? { lost } : {}) };
    log[lost > 0 ? 'error' : 'info'](
      line,
      'the audit file is closed; keep its last number and hash elsewhere',
    );
  }

  async #write(): Promise<void> {
    for (let wait = FIRST_RETRY_MS; this.#waiting.length > 0;) {
      try {
        await this.#writeSome((this.#file ??= await this.#open()));
        this.#report(undefined);
        wait = FIRST_RETRY_MS;
      } catch (error) {
        this.#report((error as Error).message);
        if (this.#ending.signal.aborted) return;
        await this.#deps.clock.sleep(wait, this.#ending.signal);
        wait = Math.min(wait * 2, LONGEST_RETRY_MS);
      }
    }
  }

  async #writeSome(file: OpenFile): Promise<void> {
    const { replica, metrics, maxSize = MAX_SIZE, path } = this.#deps;
    const batch = this.#waiting.slice(0, BATCH);
    const lost = this.#lost;
    const leftOut = this.#caused.leftOut;
    const time = this.#now();
    const entries = [
      ...batch,
      ...(leftOut ? [{ event: 'left-out', ...leftOut, time }] : []),
      ...(lost > 0 ? [{ event: 'lost', lines: lost, time }] : []),
    ];
    let end = file.end;
    let text = '';
    for (const { time, ...entry } of entries) {
      const next = nextLine(end, time, { replica, ...entry });
      text += next.text;
      end = next.end;
    }
    const bytes = Buffer.byteLength(text);
    if (file.size + bytes > maxSize)
      throw new Error(`${path} has reached ${maxSize} bytes: keep it elsewhere, and begin a new one`);
    try {
      await file.handle.appendFile(text);
      await file.handle.datasync();
    } catch (error) {
      // What was written in part is torn; the file is looked at again before the next try.
      this.#file = undefined;
      await file.handle.truncate(file.size).catch(() => undefined);
      await file.handle.close().catch(() => undefined);
      throw error;
    }
    file.size += bytes;
    file.end = end;
    this.#waiting.splice(0, batch.length);
    this.#lost -= lost;
    if (leftOut) this.#caused.said(leftOut);
    metrics.auditLines.inc({ result: 'written' }, entries.length);
    this.#deps.anchor?.reached(end);
  }

  /** Goes on where the file ends. A last line without its newline was torn by a crash: it is cut off, and that is said. */
  async #open(): Promise<OpenFile> {
    const { path, log } = this.#deps;
    const handle = await this.#deps.open();
    try {
      const { size } = await handle.stat();
      const tail = Buffer.alloc(Math.min(size, 2 * MAX_LINE));
      await handle.read(tail, 0, tail.length, size - tail.length);
      const whole = tail.lastIndexOf('\n') + 1;
      const torn = tail.subarray(whole);
      if (whole === 0 && size > MAX_LINE) throw new Error(unreadable(path));
      const before = tail.subarray(0, whole);
      const line = before.subarray(before.lastIndexOf('\n', -2) + 1, -1).toString('utf8');
      const end = whole === 0 ? CHAIN_BEGIN : endAt(line);
      if (!end) throw new Error(unreadable(path));
      if (torn.length > 0) {
        await handle.truncate(size - torn.length);
        const sha256 = createHash('sha256').update(torn).digest('hex');
        this.#waiting.unshift({ event: 'cut', bytes: torn.length, sha256, time: this.#now() });
        log.warn({ path, bytes: torn.length }, 'the last line of the audit file was torn, and was cut off');
      }
      log.info({ path, ...end }, 'the audit file goes on');
      return { handle, size: size - torn.length, end };
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }

  #report(fault: string | undefined): void {
    const { log, metrics, path } = this.#deps;
    metrics.auditFault.set(fault === undefined ? 0 : 1);
    if (fault === this.#fault) return;
    this.#fault = fault;
    if (fault === undefined) log.info({ path }, 'the audit file is written again');
    else log.error({ path, fault }, 'the audit file cannot be written; signing goes on');
  }
}

function unreadable(path: string): string {
  return `the last line of ${path} is not a line of an audit file; look at it with "audit verify", keep it elsewhere, and begin a new one`;
}

function bounded(entry: AuditEntry): AuditEntry {
  const texts = Object.entries(entry).map(([key, value]) => [
    key,
    typeof value === 'string' ? value.slice(0, MAX_TEXT) : value,
  ]);
  return Object.fromEntries(texts) as AuditEntry;
}

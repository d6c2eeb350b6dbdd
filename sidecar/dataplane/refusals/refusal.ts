import type { RefusalReason } from '#core/refusals.ts';

/** Says that a connection is refused, and why. */
export class ConnectionRefusal extends Error {
  readonly reason: RefusalReason;
  /** More fields for the log line. */
  readonly fields: Readonly<Record<string, unknown>>;

  /**
   * @param message a sentence for people
   * @param fields more for the log line; nothing secret
   */
  constructor(reason: RefusalReason, message: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'ConnectionRefusal';
    this.reason = reason;
    this.fields = fields;
  }
}

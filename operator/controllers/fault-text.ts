import type { Fault } from '#core/fault.ts';

/** A fault in one line, as it stands in a condition. */
export function faultText({ field, message }: Fault): string {
  return `${field}: ${message}`;
}

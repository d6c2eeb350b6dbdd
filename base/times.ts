/** RFC 3339 in UTC, whole seconds, as Kubernetes writes times. A part of a second is dropped. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** The same, but never before `ms`: for moments that must have come. */
export function rfc3339Up(ms: number): string {
  return rfc3339(Math.ceil(ms / 1000) * 1000);
}

/** The form of Leases (`MicroTime`): six decimals. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

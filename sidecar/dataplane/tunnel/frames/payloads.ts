import type { StreamHeader } from '../../transport/transport.ts';
import { ProtocolError } from './frame-reader.ts';
import { BASE_LIMITS, MAX_DESTINATION_BYTES, MAX_TEXT_BYTES, MAX_WINDOW, SETTING } from './protocol.ts';
import type { TunnelLimits } from './protocol.ts';

/** A reason on the wire: a number, and a sentence for people. */
export interface CloseReason {
  readonly code: number;
  readonly text: string;
}

const SETTING_BYTES = 6;
const DESTINATION = /^[0-9a-fA-F.:[\]]+$/;

export function encodeHello(limits: TunnelLimits): Buffer {
  const pairs: readonly (readonly [number, number])[] = [
    [SETTING.streamWindow, limits.streamWindow],
    [SETTING.connectionWindow, limits.connectionWindow],
    [SETTING.maxStreams, limits.maxStreams],
  ];
  const payload = Buffer.allocUnsafe(pairs.length * SETTING_BYTES);
  pairs.forEach(([name, value], index) => {
    payload.writeUInt16BE(name, index * SETTING_BYTES);
    payload.writeUInt32BE(value, index * SETTING_BYTES + 2);
  });
  return payload;
}

/** Values that are not named keep their base; names that nobody here knows are passed over. */
export function decodeHello(payload: Buffer): TunnelLimits {
  if (payload.length % SETTING_BYTES !== 0) throw new ProtocolError('a HELLO of broken length');
  const values = new Map<number, number>();
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    values.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  }
  const value = (name: number, base: number): number => {
    const said = values.get(name) ?? base;
    if (said < base) throw new ProtocolError(`a HELLO that offers ${said} where ${base} is the least`);
    return Math.min(said, MAX_WINDOW);
  };
  return {
    streamWindow: value(SETTING.streamWindow, BASE_LIMITS.streamWindow),
    connectionWindow: value(SETTING.connectionWindow, BASE_LIMITS.connectionWindow),
    maxStreams: value(SETTING.maxStreams, BASE_LIMITS.maxStreams),
  };
}

export function encodeOpen({ port, originalDestination = '' }: StreamHeader): Buffer {
  const payload = Buffer.allocUnsafe(2 + originalDestination.length);
  payload.writeUInt16BE(port, 0);
  payload.write(originalDestination, 2, 'latin1');
  return payload;
}

export function decodeOpen(payload: Buffer): StreamHeader {
  if (payload.length < 2) throw new ProtocolError('an OPEN without a port');
  const port = payload.readUInt16BE(0);
  if (port === 0) throw new ProtocolError('an OPEN for port 0');
  if (payload.length === 2) return { port };
  const originalDestination = payload.toString('latin1', 2);
  if (payload.length > 2 + MAX_DESTINATION_BYTES || !DESTINATION.test(originalDestination)) {
    throw new ProtocolError('an OPEN whose original destination is not a valid address');
  }
  return { port, originalDestination };
}

export function encodeCloseReason({ code, text }: CloseReason): Buffer {
  const bytes = Buffer.from(text, 'utf8').subarray(0, MAX_TEXT_BYTES);
  const payload = Buffer.allocUnsafe(2 + bytes.length);
  payload.writeUInt16BE(code, 0);
  bytes.copy(payload, 2);
  return payload;
}

/** The text comes without control characters: it goes into log lines. */
export function decodeCloseReason(payload: Buffer): CloseReason {
  if (payload.length < 2 || payload.length > 2 + MAX_TEXT_BYTES) {
    throw new ProtocolError('a reason of broken length');
  }
  const text = payload.toString('utf8', 2).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
  return { code: payload.readUInt16BE(0), text };
}

export function decodeNumber(payload: Buffer): number {
  if (payload.length !== 4) throw new ProtocolError('a number that is not four bytes long');
  return payload.readUInt32BE(0);
}

import { FRAME, HEADER_BYTES } from './protocol.ts';

/** A frame as a test writes and reads it. */
export interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The bytes of one frame, whether or not it makes sense. */
export function frameBytes(type: number, stream = 0, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt32BE(stream, 4);
  return Buffer.concat([header, payload]);
}

/** A payload of one number of four bytes. */
export function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads what `frameBytes` writes; what is not a whole frame yet is passed over. */
export function framesIn(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const end = at + HEADER_BYTES + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      stream: bytes.readUInt32BE(at + 4),
      payload: bytes.subarray(at + HEADER_BYTES, end),
    });
    at = end;
  }
  return frames;
}

/** Code and text of the payload of a RESET or GOAWAY. */
export function closeReasonIn({ payload }: Frame): { readonly code: number; readonly text: string } {
  return { code: payload.readUInt16BE(0), text: payload.toString('utf8', 2) };
}

/** A HELLO with the values that a sidecar of this version says. */
export function helloBytes(values: readonly (readonly [number, number])[] = []): Buffer {
  const payload = Buffer.alloc(values.length * 6);
  values.forEach(([name, value], index) => {
    payload.writeUInt16BE(name, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  });
  return frameBytes(FRAME.hello, 0, payload);
}

/** An OPEN for a port. */
export function openBytes(stream: number, port: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(port);
  return frameBytes(FRAME.open, stream, payload);
}

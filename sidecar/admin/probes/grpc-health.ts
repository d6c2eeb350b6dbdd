import { connect as netConnect } from 'node:net';
import { connect, constants } from 'node:http2';

import type { ProbeResult } from '../../config/probe.ts';

/**
 * The gRPC health check (grpc.health.v1.Health/Check) as the kubelet makes it: plaintext HTTP/2, one message each way. The few
 * bytes of protobuf are written here.
 */

export interface GrpcTarget {
  readonly address: string;
  readonly localAddress?: string;
  readonly port: number;
  /** What the application expects before anything else. */
  readonly header?: Buffer;
  /** Empty for the server as a whole. */
  readonly service: string;
}

const SERVING = 1;
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const MAX_ANSWER_BYTES = 4096;

/** Rejects when nobody can be talked to; what the server says is a result. */
export function grpcHealth(target: GrpcTarget, signal: AbortSignal): Promise<ProbeResult> {
  const { address: host, port, localAddress } = target;
  return new Promise((resolve, reject) => {
    const socket = netConnect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    if (target.header) socket.write(target.header);
    const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const session = connect(`http://${authority}`, { createConnection: () => socket });
    const finish = (act: () => void): void => {
      signal.removeEventListener('abort', giveUp);
      session.destroy();
      socket.destroy();
      act();
    };
    const giveUp = (): void => finish(() => reject(signal.reason as Error));
    signal.addEventListener('abort', giveUp, { once: true });
    socket.on('error', (error: Error) => finish(() => reject(error)));
    session.on('error', (error: Error) => finish(() => reject(error)));
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
      'user-agent': 'kube-probe/mesh',
    });
    let answer = Buffer.alloc(0);
    let grpcStatus: string | undefined;
    const takeStatus = (headers: Record<string, unknown>): void => {
      const status = headers['grpc-status'];
      if (typeof status === 'string') grpcStatus = status;
    };
    stream.on('response', takeStatus);
    stream.on('trailers', takeStatus);
    stream.on('data', (chunk: Buffer) => {
      if (answer.length <= MAX_ANSWER_BYTES) answer = Buffer.concat([answer, chunk]);
    });
    stream.on('error', (error: Error) => finish(() => reject(error)));
    stream.on('close', () => finish(() => resolve(healthResult(target, grpcStatus, answer))));
    stream.end(message(target.service));
  });
}

/** HealthCheckRequest {string service = 1} behind gRPC's five bytes (not compressed, length). */
function message(service: string): Buffer {
  const name = Buffer.from(service);
  const body =
    name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

function healthResult(
  { port, service }: GrpcTarget,
  grpcStatus: string | undefined,
  answer: Buffer,
): ProbeResult {
  const what = `gRPC health of ${service === '' ? 'the server' : JSON.stringify(service)} on port ${port}`;
  if (grpcStatus !== '0')
    return {
      ok: false,
      message: `${what}: ${grpcStatus === undefined ? 'no gRPC answer' : `gRPC status ${grpcStatus}`}`,
    };
  const status = servingStatus(answer);
  return { ok: status === SERVING, message: `${what}: ${STATUS_NAMES[status] ?? status}` };
}

/** HealthCheckResponse {ServingStatus status = 1}; an absent field is 0, UNKNOWN. */
function servingStatus(answer: Buffer): number {
  if (answer.length < 5 || answer[0] !== 0) return 0;
  const body = answer.subarray(5, 5 + answer.readUInt32BE(1));
  return body[0] === 0x08 ? (body[1] ?? 0) : 0;
}

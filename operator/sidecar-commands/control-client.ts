import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { PORTS } from '#core/constants.ts';
import { parseSpiffeId } from '#core/spiffe-id.ts';
import type { SpiffeId } from '#core/spiffe-id.ts';
import { ALPN_CONTROL } from '#core/wire.ts';
import { peerSpiffeId } from '#pki/peer.ts';
import type { Svid } from '#pki/svid.ts';
import { secureContextOptions } from '#pki/tls-options.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

/** A sidecar. */
export interface ControlTarget {
  readonly ip: string;
  /** Default {@link PORTS}.inbound; outside of pods it is another. */
  readonly port?: number;
  /** Who must answer. */
  readonly spiffeId: SpiffeId;
}

export interface ControlCredentials {
  /** The operator's own identity. */
  readonly identity: Svid;
  readonly bundle: TrustBundle;
}

const MAX_ANSWER_BYTES = 16_384;

/** What a sidecar may be asked. */
export type ControlCommand = 'finish' | 'trust';

/**
 * Asks one thing of a sidecar.
 *
 * @param timeoutMs for everything together
 * @returns its answer, of which only `ok` was looked at
 * @throws Error saying what went wrong: no connection, the wrong peer, no answer, or one that says no
 */
export async function askSidecar(
  target: ControlTarget,
  command: ControlCommand,
  { identity, bundle }: ControlCredentials,
  timeoutMs = 5_000,
): Promise<object> {
  const trustDomain = parseSpiffeId(target.spiffeId)?.trustDomain;
  if (trustDomain === undefined) throw new Error(`${target.spiffeId} is not a SPIFFE ID of a workload`);
  const socket = connect({
    // A path to a root is found by TLS; that it is one of the sidecar's own trust domain is seen to here.
    ...secureContextOptions(identity, bundle.only(trustDomain)),
    host: target.ip,
    port: target.port ?? PORTS.inbound,
    ALPNProtocols: [ALPN_CONTROL],
    checkServerIdentity: () => undefined,
  });
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    await untilSecure(socket);
    checkPeer(socket, target.spiffeId);
    socket.write(`${JSON.stringify({ command })}\n`);
    return checkAnswer(await firstLine(socket));
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function untilSecure(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the sidecar closed the connection during the handshake')));
  });
}

function checkPeer(socket: TLSSocket, expected: SpiffeId): void {
  const certificate = socket.getPeerX509Certificate();
  const peer = certificate ? peerSpiffeId(certificate) : undefined;
  if (!socket.authorized || !peer?.ok)
    throw new Error(
      `the peer is not of this mesh: ${peer && !peer.ok ? peer.message : socket.authorizationError.message}`,
    );
  if (peer.id !== expected) throw new Error(`the peer is ${peer.id} and not ${expected}`);
  if (socket.alpnProtocol !== ALPN_CONTROL) throw new Error(`the sidecar does not speak ${ALPN_CONTROL}`);
}

function firstLine(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > MAX_ANSWER_BYTES) reject(new Error('the answer is too long'));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the sidecar closed the connection without an answer')));
  });
}

function checkAnswer(line: string): object {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    throw new Error('the answer is not JSON');
  }
  if ((answer as { ok?: unknown } | null)?.ok !== true) throw new Error('the sidecar said no');
  return answer as object;
}

import type { Duplex } from 'node:stream';

import type { SpiffeId } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import type { SocketLeg } from '../bytes/leg.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { TrustReport } from '../peer/trust-report.ts';

/** What the operator may ask of a sidecar. */
export interface ControlHandler {
  /** Who alone may ask. */
  readonly operator: SpiffeId;
  /** Every other container of the pod has ended: the sidecar must end too. Called once per command; the answer is sent afterwards. */
  finish(): Promise<void> | void;
  /** Which roots this sidecar trusts and leans on; undefined where it does not know, as one process of several. */
  trust(): Promise<TrustReport | undefined>;
}

const MAX_LINE_BYTES = 1024;

/**
 * Serves one connection of the protocol `mesh-control/1`: one line of JSON, one line back.
 *
 * @throws ConnectionRefusal for everybody but the operator, and for a line that is not a command
 */
export async function serveControl(
  leg: SocketLeg,
  peer: AdmittedPeer,
  handler: ControlHandler | undefined,
  deps: { readonly clock: Clock; readonly settings: DataPlaneSettings },
): Promise<void> {
  if (!handler || peer.id !== handler.operator) {
    throw new ConnectionRefusal('not-the-operator', 'only the operator may send commands to a sidecar');
  }
  const command = commandOf(await readLine(leg.stream, deps.clock, deps.settings.headerMs));
  const answer = await answerTo(command, handler);
  const timer = deps.clock.setTimeout(() => leg.reset(), deps.settings.lingerMs);
  leg.stream.once('close', () => timer.cancel());
  leg.stream.end(`${JSON.stringify(answer)}\n`);
  leg.stream.resume();
}

async function answerTo(command: unknown, handler: ControlHandler): Promise<object> {
  switch (command) {
    case 'finish':
      await handler.finish();
      return { ok: true };
    case 'trust': {
      const report = await handler.trust();
      return report ? { ok: true, ...report } : { ok: false };
    }
    default:
      throw new ConnectionRefusal(
        'bad-header',
        'the operator sent a command that this version does not know',
      );
  }
}

function commandOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { command?: unknown } | null)?.command;
  } catch {
    return undefined;
  }
}

function readLine(stream: Duplex, clock: Clock, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const settle = (act: () => void) => {
      timer.cancel();
      stream.off('data', onData);
      stream.off('close', onClose);
      stream.off('end', onClose);
      act();
    };
    const fail = (reason: 'bad-header' | 'header-timeout', message: string) =>
      settle(() => reject(new ConnectionRefusal(reason, message)));
    const onClose = () => fail('bad-header', 'the connection ended before the command was complete');
    const onData = (chunk: Buffer) => {
      line += chunk.toString('latin1');
      const end = line.indexOf('\n');
      if (end >= 0) settle(() => resolve(line.slice(0, end)));
      else if (line.length > MAX_LINE_BYTES)
        fail('bad-header', `a command of more than ${MAX_LINE_BYTES} bytes`);
    };
    const timer = clock.setTimeout(
      () => fail('header-timeout', `no command within ${timeoutMs} ms`),
      timeoutMs,
    );
    stream.on('data', onData);
    stream.on('close', onClose);
    stream.on('end', onClose);
    if (stream.readableEnded) onClose();
  });
}

import { OPERATOR_SERVICE } from '#core/constants.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import type { Svid } from '#pki/svid.ts';

import { askSidecar } from '../sidecar-commands/control-client.ts';
import type { ControlCommand, ControlTarget } from '../sidecar-commands/control-client.ts';
import type { ControllerContext, ControllersDeps } from './context.ts';

const CONTROL_IDENTITY_TTL_MS = 10 * 60_000;

/** Asks sidecars as the operator's own identity, which is made when it is needed and kept for a while. */
export function sidecarAsker({ authority, config, clock }: ControllersDeps): ControllerContext['ask'] {
  const who = { namespace: namespaceName(config.meshNamespace), service: serviceName(OPERATOR_SERVICE) };
  let identity: Promise<Svid> | undefined;
  let renewAt = 0;
  const current = (): Promise<Svid> => {
    if (!identity || clock.now() >= renewAt) {
      identity = authority.issueIdentity(who, CONTROL_IDENTITY_TTL_MS);
      identity.catch(() => (identity = undefined));
      renewAt = clock.now() + CONTROL_IDENTITY_TTL_MS / 2;
    }
    return identity;
  };
  authority.onChange(() => (identity = undefined));
  return (command: ControlCommand) =>
    async (target: ControlTarget): Promise<object> =>
      askSidecar(target, command, { identity: await current(), bundle: authority.bundle });
}

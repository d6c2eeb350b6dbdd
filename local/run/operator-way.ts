import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { checkServerIdentity } from 'node:tls';

import { httpsExchange } from '#base/https-exchange.ts';
import { isRecord } from '#base/record.ts';
import { OPERATOR_SERVICE } from '#core/constants.ts';
import { ADDRESS_PATH } from '#core/wire.ts';

import { CliError } from '../cli-error.ts';

/** How the operator is reached from outside of pods. */
export interface OperatorWay {
  /** Origin, without a slash at its end. */
  readonly url: string;
  /** What it proves to be, under whatever name it is reached: its Service in the mesh's namespace. */
  readonly serverName: string;
}

export function operatorWay(url: string, meshNamespace: string): OperatorWay {
  return { url: url.replace(/\/$/, ''), serverName: `${OPERATOR_SERVICE}.${meshNamespace}.svc` };
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 4_096;

/**
 * The address of this machine under which the mesh knows it: as the operator sees it. It is then the address from which certificates are
 * asked for, and to which pods connect.
 *
 * @param rootsPem by which the operator is known
 * @param wanted what the user wrote
 * @throws CliError when the operator cannot be reached, or sees another address than one of this machine
 */
export async function ownAddress(
  way: OperatorWay,
  rootsPem: readonly string[],
  wanted: string | undefined,
): Promise<string> {
  const seen = await seenAs(way, rootsPem, wanted);
  if (seen === wanted || (wanted === undefined && addressesHere().includes(seen))) return seen;
  const here =
    wanted === undefined ? `none of its addresses (${addressesHere().join(', ')})` : `not ${wanted}`;
  throw new CliError(
    `the operator at ${way.url} sees this machine as ${seen}, which is ${here}: something in between changes addresses (NAT, or a load balancer that does not keep them), so pods could not reach this machine and the operator would refuse it; join from a network that routes to the pods, such as a VPN`,
  );
}

async function seenAs(
  way: OperatorWay,
  rootsPem: readonly string[],
  from: string | undefined,
): Promise<string> {
  let answer: unknown;
  try {
    answer = JSON.parse(await ask(way, rootsPem, from));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRNOTAVAIL' || code === 'EINVAL')
      throw new CliError(
        `${from ?? ''} is not an address of this machine from which the operator is reached; leave --address out, or write one of ${addressesHere().join(', ')}`,
      );
    throw new CliError(
      `the operator cannot be reached from here at ${way.url} (${code ?? message}); whoever administers the cluster says that address with the chart's value outside.operatorAddress`,
    );
  }
  const seen = isRecord(answer) && typeof answer.address === 'string' ? answer.address : '';
  if (isIP(seen) === 0)
    throw new CliError(`what answers at ${way.url} is not an operator of this version of mesh`);
  return seen;
}

async function ask(way: OperatorWay, rootsPem: readonly string[], from: string | undefined): Promise<string> {
  const url = new URL(ADDRESS_PATH, way.url);
  const { text } = await httpsExchange(
    {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port || 443,
      path: url.pathname,
      agent: false,
      ca: [...rootsPem],
      minVersion: 'TLSv1.3',
      checkServerIdentity: (_host, certificate) => checkServerIdentity(way.serverName, certificate),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(from === undefined ? {} : { localAddress: from }),
    },
    { maxBytes: MAX_ANSWER_BYTES },
  );
  return text;
}

function addressesHere(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
}

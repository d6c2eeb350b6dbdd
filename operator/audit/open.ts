import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { OPERATOR_SERVICE } from '#core/constants.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Svid } from '#pki/svid.ts';

import type { Authority } from '../ca/authority.ts';
import type { OperatorConfig } from '../config/config.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import { AnchorKeeper } from './anchor-keeper.ts';
import { AuditFile } from './audit-file.ts';
import type { AuditFileDeps } from './audit-file.ts';
import { anchorMismatch } from './verify.ts';

export interface StartAuditDeps extends Pick<AuditFileDeps, 'clock' | 'log'> {
  readonly config: OperatorConfig;
  readonly api: KubeApi;
  readonly authority: Pick<Authority, 'issueIdentity' | 'onChange'>;
  readonly metrics: OperatorMetrics;
}

/** This replica's audit file, opened; undefined where none is wanted. Each replica has its own, named after its pod. */
export function startAuditFile(deps: StartAuditDeps): AuditFile | undefined {
  const { config, clock } = deps;
  const { auditDir, podName, meshNamespace } = config;
  if (auditDir === undefined) return undefined;
  const name = `${basename(podName)}.jsonl`;
  const path = join(auditDir, name);
  const identity = ownIdentity(deps.authority, meshNamespace, clock);
  const anchor = new AnchorKeeper(
    { ...deps, identity, mismatch: (known) => anchorMismatch(path, known) },
    { meshNamespace, file: name },
  );
  const file = new AuditFile({
    ...deps,
    path,
    replica: podName,
    anchor,
    open: () => open(path, 'a+', 0o600),
  });
  file.start();
  return file;
}

/** The operator's identity, made when it is first needed, again after half its life, and when another root signs. */
function ownIdentity(
  authority: StartAuditDeps['authority'],
  meshNamespace: string,
  clock: Clock,
): () => Promise<Svid> {
  const who = { namespace: namespaceName(meshNamespace), service: serviceName(OPERATOR_SERVICE) };
  let current: Svid | undefined;
  authority.onChange(() => (current = undefined));
  return async () => {
    const now = clock.now();
    if (!current || now > (current.notBefore + current.notAfter) / 2)
      current = await authority.issueIdentity(who);
    return current;
  };
}

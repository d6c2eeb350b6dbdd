import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';

import type { OperatorConfig } from '../config.ts';
import { AuditFile } from './audit-file.ts';
import type { AuditFileParts } from './audit-file.ts';

/** This replica's audit file, opened; undefined where none is wanted. Each replica has its own, named after its pod. */
export function startAuditFile(
  deps: Pick<AuditFileParts, 'clock' | 'log' | 'metrics'> & { readonly config: OperatorConfig },
): AuditFile | undefined {
  const { auditDir, podName } = deps.config;
  if (auditDir === undefined) return undefined;
  const path = join(auditDir, `${basename(podName)}.jsonl`);
  const file = new AuditFile({ ...deps, path, replica: podName, open: () => open(path, 'a+', 0o600) });
  file.start();
  return file;
}

import type { ServiceIdentity } from '#core/spiffe-id.ts';
import type { Logger } from '#base/log.ts';
import { rfc3339 } from '#base/times.ts';
import type { Pod } from '#kube/types.ts';

import type { AuditFile } from '../audit/audit-file.ts';
import type { IssuedLeaf } from '../ca/authority.ts';
import type { Events } from '../control-loop/events.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import { REASONS } from './refusal.ts';
import type { SigningRefusal } from './refusal.ts';
import type { Caller } from './token-checks.ts';

export interface AuditDeps {
  readonly log: Logger;
  readonly events: Events;
  readonly metrics: Pick<OperatorMetrics, 'signingRequests' | 'signingSeconds' | 'tokenReviews'>;
  /** For lines about callers of whom nothing is known: there may be any number of them. Default `log`. */
  readonly strangersLog?: Logger;
  /** Keeps the same once more, where that is wanted. */
  readonly file?: Pick<AuditFile, 'record'> | undefined;
}

/** What is known of a request so far; grows as the checks go on. */
export interface RequestTrace {
  readonly requestId: string;
  readonly sourceAddress: string;
  caller?: Caller;
  pod?: Pod;
  who?: ServiceIdentity;
}

/** Below this life, Events leave the serial out, so that the many renewals of one pod become one Event with a count. */
const EVENT_DETAIL_MS = 3600_000;

/** Says who got which certificate and who did not: a log line each, an Event on the pod where the pod is known, a count. */
export class SigningAudit {
  readonly #deps: AuditDeps;

  constructor(deps: AuditDeps) {
    this.#deps = deps;
  }

  issued(trace: RequestTrace, leaf: IssuedLeaf, seconds: number): void {
    const { log, events, metrics, file } = this.#deps;
    const { serial, sha256, spiffeId } = leaf;
    const notAfter = rfc3339(leaf.notAfter);
    const line = { ...fields(trace), spiffeId, serial, sha256, notAfter };
    log.info(line, 'certificate issued');
    file?.record({ event: 'issued', ...line });
    metrics.signingRequests.inc({ result: 'issued', reason: 'ok' });
    metrics.signingSeconds.observe({ result: 'issued' }, seconds);
    const detail =
      leaf.notAfter - leaf.notBefore >= EVENT_DETAIL_MS
        ? ` until ${notAfter}, serial ${serial}, SHA-256 ${sha256}`
        : '';
    if (trace.pod) {
      events.emit({
        about: trace.pod,
        type: 'Normal',
        reason: 'CertificateIssued',
        message: `certificate for ${spiffeId} issued to ServiceAccount ${trace.caller?.serviceAccount ?? ''}, pod UID ${trace.caller?.podUid ?? ''}${detail}`,
      });
    }
  }

  refused(trace: RequestTrace, refusal: SigningRefusal, seconds: number, error?: unknown): void {
    const { log, strangersLog = log, events, metrics, file } = this.#deps;
    const code = REASONS[refusal.reason];
    const result = code === 'failed' || refusal.reason === 'api-unavailable' ? 'failed' : 'refused';
    metrics.signingRequests.inc({ result, reason: refusal.reason });
    metrics.signingSeconds.observe({ result }, seconds);
    const line = {
      ...fields(trace),
      reason: refusal.reason,
      detail: refusal.message,
      ...(error ? { err: error } : {}),
    };
    if (code !== 'too-many')
      file?.record(
        { event: 'refused', ...fields(trace), reason: refusal.reason, detail: refusal.message },
        { by: trace.caller?.podUid ?? trace.sourceAddress, reason: refusal.reason },
      );
    // Whoever asks too often must not be able to fill the log as well.
    if (code === 'too-many') log.debug(line, 'certificate refused');
    else if (result === 'failed') log.error(line, 'certificate could not be issued');
    else (trace.caller ? log : strangersLog).warn(line, 'certificate refused');
    if (trace.pod && (code === 'forbidden' || code === 'malformed')) {
      events.emit({
        about: trace.pod,
        type: 'Warning',
        reason: 'CertificateRefused',
        message: refusal.message,
      });
    }
  }
}

function fields({ requestId, sourceAddress, caller, who }: RequestTrace): object {
  return {
    requestId,
    sourceAddress,
    ...(caller
      ? {
          pod: `${caller.namespace}/${caller.podName}`,
          podUid: caller.podUid,
          serviceAccount: caller.serviceAccount,
          ...(caller.credentialId ? { credentialId: caller.credentialId } : {}),
        }
      : {}),
    ...(who ? { service: `${who.namespace}/${who.service}` } : {}),
  };
}

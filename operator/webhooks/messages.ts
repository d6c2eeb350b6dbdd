import type { LogLevel } from '#base/log-level.ts';
import type { ClusterFacts, ClusterQuestion } from '#webhook/cluster-view.ts';
import type { InjectionSettings } from '#webhook/review-pod.ts';

import type { ServingPair } from '../server/serving-certificate.ts';
import type { WebhookPath } from './registered-paths.ts';

/** What the webhooks' thread is started with. */
export interface WebhookThreadData {
  readonly pair: ServingPair;
  readonly paths: readonly WebhookPath[];
  readonly port: number;
  readonly host?: string;
  readonly injection: InjectionSettings;
  readonly logLevel: LogLevel;
}

/** From the main thread to the webhooks' thread. */
export type ToThread =
  | { readonly kind: 'certificate'; readonly pair: ServingPair }
  | { readonly kind: 'paths'; readonly paths: readonly WebhookPath[] }
  | { readonly kind: 'facts'; readonly id: number; readonly facts: ClusterFacts }
  | { readonly kind: 'ping' }
  | { readonly kind: 'close'; readonly deadlineMs: number };

/** Metrics of the operator that the webhooks' thread counts. */
export type Counted =
  'injections' | 'validations' | 'httpRequests' | 'bodiesRefused' | 'connectionsClosed' | 'logLinesLeftOut';

/** What was counted since the last report. */
export interface ThreadCounts {
  readonly counters: readonly { readonly metric: Counted; readonly labels: object; readonly by: number }[];
  /** How long reviews took, seconds, by endpoint. */
  readonly durations: readonly { readonly endpoint: string; readonly seconds: number }[];
  readonly openConnections: number;
}

/** From the webhooks' thread to the main thread. */
export type ToMain =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'question'; readonly id: number; readonly question: ClusterQuestion }
  | { readonly kind: 'counts'; readonly counts: ThreadCounts }
  | { readonly kind: 'pong' }
  | { readonly kind: 'closed' };

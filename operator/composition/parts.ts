import type { MeshConfigStatus } from '#core/model/mesh-config.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import type { AdmissionDeps } from '../webhooks/admission.ts';
import type { AuditFile } from '../audit/audit-file.ts';
import type { ClusterFacts } from './bootstrap.ts';
import type { WatchedCertificate } from '../ca/expiry.ts';
import type { Caches } from '../control-loop/caches.ts';
import type { OperatorConfig } from '../config/config.ts';
import type { EventRecorder } from '../control-loop/events.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { OperationsPort } from '../server/operations-port.ts';
import type { ServingPair } from '../server/serving-certificate.ts';
import type { PodNetworks } from '../signing/pod-networks.ts';
import type { AcceptedPaths } from '../webhooks/accepted-paths.ts';
import type { WebhookPath } from '../webhooks/registered-paths.ts';
import type { WatchedAuthority } from './authority.ts';

/** Whatever answers the API server's webhooks: a thread of its own in a cluster. */
export interface Webhooks {
  /** The port at which it listens; undefined before it does. */
  readonly port: number | undefined;
  start(pair: ServingPair): void;
  useCertificate(pair: ServingPair): void;
  usePaths(paths: readonly WebhookPath[]): void;
  /** What is wrong, as a sentence; undefined when nothing is. */
  fault(): string | undefined;
  close(deadlineMs: number): Promise<void>;
}

export interface OperatorDeps {
  readonly config: OperatorConfig;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Makes what answers the webhooks; undefined where the API server is in this process and calls them without HTTPS. */
  readonly webhooks: (parts: AdmissionDeps) => Webhooks | undefined;
  /**
   * Whether others may work beside this one. They compete for a lease, and who loses it must end its process, since its controllers
   * cannot be sure any more that they are alone.
   */
  readonly replicas: 'one' | { readonly onLostLease: () => void };
  /** Whether memory, CPU and event loop lag are measured; default yes. */
  readonly processMetrics?: boolean;
  /** How long the ports stay open after the replica said that it goes away, so that no new request meets a closed one; default 3 s. */
  readonly lingerMs?: number;
}

/** The process has its port for health and metrics, and nothing else yet. */
export type Started = OperatorDeps & { readonly operations: OperationsPort; readonly httpPort: number };

/** Everything that the ports and the controllers are made of. */
export type Parts = Started &
  ClusterFacts &
  WatchedAuthority & {
    readonly metrics: OperatorMetrics;
    readonly caches: Caches;
    readonly acceptedPaths: AcceptedPaths;
    readonly podNetworks: PodNetworks;
    readonly certificates: (rotation: MeshConfigStatus['rotation']) => readonly WatchedCertificate[];
    readonly audit: AuditFile | undefined;
    readonly events: EventRecorder;
  };

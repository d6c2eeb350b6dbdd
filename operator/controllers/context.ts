import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Capabilities } from '#kube/cluster/capabilities.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';

import type { AuthorityWatch } from '../ca/authority-watch.ts';
import type { Authority } from '../ca/authority.ts';
import type { RootSlots } from '../ca/root-slots.ts';
import type { OperatorConfig } from '../config/config.ts';
import type { Settings } from '../config/settings.ts';
import type { Caches } from '../control-loop/caches.ts';
import type { ControllerDuty } from '../control-loop/controller.ts';
import type { Events } from '../control-loop/events.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { MemberRules } from '../resources/member.ts';
import type { ControlCommand, ControlTarget } from '../sidecar-commands/control-client.ts';
import type { AcceptedPaths } from '../webhooks/accepted-paths.ts';
import type { Reaches } from './catalog/reaches.ts';
import type { MeshConfigControllerDeps } from './mesh-config/controller.ts';

/** What the operator gives its controllers. */
export interface ControllersDeps {
  readonly config: OperatorConfig;
  readonly capabilities: Capabilities;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  readonly events: Events;
  readonly caches: Caches;
  readonly settings: Settings;
  readonly authority: Authority;
  readonly slots: RootSlots;
  readonly acceptedPaths: Pick<AcceptedPaths, 'lastPart'>;
  readonly authorityWatch: Pick<AuthorityWatch, 'fault' | 'onChange'>;
  readonly certificates: MeshConfigControllerDeps['certificates'];
  readonly audit: MeshConfigControllerDeps['audit'];
  readonly owner: OwnerReference | undefined;
}

/** The same, with what the controllers of one term share. */
export interface ControllerContext extends ControllersDeps {
  readonly meshNamespace: string;
  readonly scope: Settings['scope'];
  readonly rules: MemberRules;
  readonly slices: ResourceType<EndpointSlice>;
  readonly reaches: Reaches;
  /** Asks a sidecar as the operator's own identity. */
  readonly ask: (command: ControlCommand) => (target: ControlTarget) => Promise<object>;
}

/** Makes one controller; undefined where the settings have no use for it. */
export type MakeDuty = (context: ControllerContext) => ControllerDuty | undefined;

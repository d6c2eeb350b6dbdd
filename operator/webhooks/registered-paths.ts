import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';

import { isPathPart, pathOf } from './path-part.ts';
import type { Endpoint } from './path-part.ts';

/** A path at which the API server may call, and what it asks there. */
export interface WebhookPath {
  readonly path: string;
  readonly endpoint: Endpoint;
}

/** On a webhook configuration: another part that is accepted besides the registered one, announced or previous. */
export const ALSO_ACCEPTED_ANNOTATION = 'mesh.dev/webhook-path-also';

/** The names under which the webhooks are registered. */
const WEBHOOKS = {
  'pods.inject.mesh.dev': 'inject',
  'namespaces.inject.mesh.dev': 'inject-by-namespace',
  'resources.validate.mesh.dev': 'validate',
  'pods.validate.mesh.dev': 'validate',
  'debug.validate.mesh.dev': 'validate',
} as const satisfies Record<string, Endpoint>;

/** The longest path that is registered; what is longer is not even compared. */
export const MAX_PATH_LENGTH = 256;

/**
 * At which paths the API server may call, by the webhook configurations: those that are registered, whoever wrote them, and those
 * of the other part. Pure.
 */
export function registeredPaths(
  configuration: MutatingWebhook | ValidatingWebhook | undefined,
): readonly WebhookPath[] {
  const also = configuration?.metadata.annotations?.[ALSO_ACCEPTED_ANNOTATION];
  return (configuration?.webhooks ?? []).flatMap(({ name, clientConfig }): WebhookPath[] => {
    const endpoint = Object.hasOwn(WEBHOOKS, name) ? WEBHOOKS[name as keyof typeof WEBHOOKS] : undefined;
    const path = clientConfig.service?.path;
    if (endpoint === undefined || path === undefined || path.length > MAX_PATH_LENGTH) return [];
    return [{ path, endpoint }, ...(isPathPart(also) ? [{ path: pathOf(also, endpoint), endpoint }] : [])];
  });
}

import { dirname } from 'node:path/posix';

import { MOUNT_PATHS, RESERVED_PREFIX, SIDECAR_UID, VOLUMES } from '#core/constants.ts';

/**
 * CEL expressions (KEP-3716) that pick the pods the webhooks are asked about. A value that is neither "true" nor "false" is
 * brought to the webhook too, so that it can be refused with a sentence.
 */

const TOKENS_FOLDER = dirname(MOUNT_PATHS.caToken);
const ANNOTATIONS = 'object.metadata.annotations';
const LABELS = 'object.metadata.labels';

function has(map: string): string {
  return `(has(${map}) && 'mesh/inject' in ${map})`;
}

/** The pod's annotation `mesh/inject` is there and not "false". */
export const INJECT_ANNOTATION_ASKS = `(${has(ANNOTATIONS)} && ${ANNOTATIONS}['mesh/inject'] != 'false')`;

/** The pod's label `mesh/inject` is there and not "false". */
export const INJECT_LABEL_ASKS = `(${has(LABELS)} && ${LABELS}['mesh/inject'] != 'false')`;

/** The pod says nothing about injection itself, so its namespace decides. */
export const NOT_ASKED_BY_POD = `!${has(ANNOTATIONS)} && !${has(LABELS)}`;

/**
 * Pods that carry what only the mesh writes. A kubelet writes the status of every pod every few seconds and people change pods: of changes
 * only those matter that touch such a key, so no other waits for the webhook.
 */
const IS_RESERVED = `key.startsWith('${RESERVED_PREFIX}')`;

function mapOf(object: string, map: string): string {
  return `(has(${object}.metadata.${map}) ? ${object}.metadata.${map} : {})`;
}

/** Whether one of the maps of `a` has a reserved key that `b` has not with the same value. */
function hasReservedThat(a: string, lacks: (map: string) => string): string {
  return ['labels', 'annotations']
    .map((map) => `${mapOf(a, map)}.exists(key, ${IS_RESERVED}${lacks(map)})`)
    .join(' || ');
}

const hasNot = (object: string) => (map: string) => ` && !(key in ${mapOf(object, map)})`;
const hasOther = (from: string, object: string) => (map: string) =>
  ` && !(key in ${mapOf(object, map)} && ${mapOf(object, map)}[key] == ${mapOf(from, map)}[key])`;

/** A pod is created with a label or an annotation of ours, or one is added, changed or taken away. */
export const RESERVED_KEYS_WRITTEN =
  `request.operation == 'CREATE' ? (${hasReservedThat('object', () => '')})` +
  ` : (${hasReservedThat('object', hasOther('object', 'oldObject'))} || ${hasReservedThat('oldObject', hasNot('object'))})`;

/** A container for debugging runs as the sidecar's user, or mounts one of its tokens. All others need no webhook, so that `kubectl debug` works while the operator is away. */
export const DEBUG_CONTAINER_INTRUDES =
  'has(object.spec.ephemeralContainers) && object.spec.ephemeralContainers.exists(one, ' +
  `(has(one.securityContext) && has(one.securityContext.runAsUser) && one.securityContext.runAsUser == ${SIDECAR_UID}) || ` +
  '(has(one.volumeMounts) && one.volumeMounts.exists(mount, ' +
  `mount.name in [${Object.values(VOLUMES)
    .map((name) => `'${name}'`)
    .join(', ')}] || mount.mountPath.startsWith('${TOKENS_FOLDER}'))))`;

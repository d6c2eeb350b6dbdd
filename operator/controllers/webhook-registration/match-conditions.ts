/**
 * CEL expressions (KEP-3716) that pick the pods injection is asked about. A value that is neither "true" nor "false" is
 * brought to the webhook too, so that it can be refused with a sentence.
 */

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

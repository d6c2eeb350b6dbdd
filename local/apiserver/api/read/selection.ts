import { fieldMatcher, labelMatcher } from '#kube/selectors.ts';

import type { ApiObject } from '../../store/object.ts';
import { badRequest } from '../api-status-error.ts';
import type { ResourceRequest } from '../request.ts';

/** Objects of the mesh's own kinds are selected by these fields only, as custom resources are. */
const CUSTOM_FIELDS = /^metadata\.(name|namespace)(!?=|==)/;
const MAX_SELECTOR = 4096;

/**
 * What a request selects.
 *
 * @throws ApiStatusError 400 when a selector cannot be read
 */
export function selectionOf({
  kind,
  namespace,
  name,
  query,
}: Pick<ResourceRequest, 'kind' | 'namespace' | 'name' | 'query'>): (object: ApiObject) => boolean {
  const labels = query.get('labelSelector') ?? '';
  const fields = query.get('fieldSelector') ?? '';
  if (labels.length > MAX_SELECTOR || fields.length > MAX_SELECTOR)
    throw badRequest('the selector is too long');
  const matchers = [
    ...(labels ? [labelMatcher(labels)] : []),
    ...(fields
      ? [
          fields.split(',').every((term) => !kind.schema || CUSTOM_FIELDS.test(term))
            ? fieldMatcher(fields)
            : undefined,
        ]
      : []),
  ];
  if (matchers.includes(undefined))
    throw badRequest(
      `unable to parse the selector, or a field in it is not supported: ${JSON.stringify(labels || fields)}`,
    );
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (name === undefined || object.metadata.name === name) &&
    matchers.every((matches) => matches?.(object));
}

/** The one name a field selector asks for: who may see just that object may list it so. */
export function selectedName(query: URLSearchParams): string | undefined {
  return /(?:^|,)metadata\.name==?([^,]+)(?:,|$)/.exec(query.get('fieldSelector') ?? '')?.[1];
}

import { isRecord } from '#base/record.ts';
import { objectKey } from '#core/resource.ts';

import type { ObjectStore } from '../../store/object-store.ts';
import { resourceId } from '../kind.ts';
import { badRequest, expired, invalid } from '../api-status-error.ts';
import type { ResourceRequest } from '../request.ts';
import { numberOf } from '../request.ts';
import { selectionOf } from './selection.ts';
import { viewOf } from './table.ts';

/** Where the next page begins, in the state of which resourceVersion. */
interface Continue {
  readonly version: number;
  readonly after: string;
}

/**
 * A list, or a page of one: every page shows the state of the first one's resourceVersion.
 *
 * @throws ApiStatusError 410 when that state is forgotten
 */
export function list(store: ObjectStore, request: ResourceRequest): object {
  const { kind, query } = request;
  const selects = selectionOf(request);
  const token = readToken(query.get('continue'));
  const version = token?.version ?? exactVersion(request) ?? store.version;
  if (version > store.version) throw badRequest('the resourceVersion is from the future');
  if (version < store.oldest) {
    throw expired(
      token
        ? 'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.'
        : `The resourceVersion for the provided list is too old.`,
    );
  }
  const found = store
    .list(resourceId(kind), version)
    .filter((object) => selects(object) && objectKey(object) > (token?.after ?? ''));
  const limit = numberOf(query, 'limit') || Number.POSITIVE_INFINITY;
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const remaining = found.length - page.length;
  const more =
    remaining > 0 && last
      ? { continue: writeToken({ version, after: objectKey(last) }), remainingItemCount: remaining }
      : {};
  return viewOf(request).list(page, { resourceVersion: String(version), ...more });
}

function exactVersion({ kind, query }: ResourceRequest): number | undefined {
  const match = query.get('resourceVersionMatch');
  const version = numberOf(query, 'resourceVersion');
  if (match !== null && version === undefined) {
    const message = 'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided';
    throw invalid(kind, '', [{ reason: 'FieldValueForbidden', message, field: 'resourceVersionMatch' }]);
  }
  return match === 'Exact' ? version : undefined;
}

function writeToken(token: Continue): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function readToken(text: string | null): Continue | undefined {
  if (!text) return undefined;
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (isRecord(token) && Number.isSafeInteger(token.version) && typeof token.after === 'string')
      return token as unknown as Continue;
  } catch {
    // Answered below.
  }
  throw badRequest('continue key is not valid');
}

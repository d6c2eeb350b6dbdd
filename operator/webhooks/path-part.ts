import { randomBytes } from 'node:crypto';

/** What the API server asks at a path. */
export type Endpoint = 'inject' | 'inject-by-namespace' | 'validate';

/** How the paths end. */
const SUFFIX: Readonly<Record<Endpoint, string>> = {
  inject: '/inject',
  'inject-by-namespace': '/inject/by-namespace',
  validate: '/validate',
};

const PART_BYTES = 32;
/** The API server takes only DNS subdomains between the slashes of a path (`validateWebhookService`, k8s.io/apiserver). */
const PART = /^[0-9a-f]{64}$/;

/**
 * The part of the webhooks' paths that nobody can guess: 256 random bits. Only who may read the webhook configurations knows it,
 * and the API server, which says it when a call fails (docs/decisions/0022-entry-points.md): it keeps strangers away, and
 * nothing depends on it alone.
 */
export function newPathPart(): string {
  return randomBytes(PART_BYTES).toString('hex');
}

/** Whether a text is of the form that {@link newPathPart} makes. */
export function isPathPart(text: unknown): text is string {
  return typeof text === 'string' && PART.test(text);
}

/** The path of an endpoint under a part. */
export function pathOf(part: string, endpoint: Endpoint): string {
  return `/${part}${SUFFIX[endpoint]}`;
}

/** The part of a registered path; undefined for one without any, as earlier versions registered it. */
export function partOf(path: string | undefined): string | undefined {
  const [, part] = /^\/([^/]*)\//.exec(path ?? '') ?? [];
  return isPathPart(part) ? part : undefined;
}

import { createHash } from 'node:crypto';

/** Of an image for several kinds of machine: what one digest has to stand for. */
const INDEXES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** A tag of a public repository. */
export interface Tag {
  /** URL of the registry, without a path. */
  readonly registry: string;
  /** Such as `library/node`. */
  readonly repository: string;
  readonly tag: string;
}

/**
 * Asks a registry which image a tag means now (OCI Distribution Specification 1.1, "Pulling manifests"), without credentials. The digest is
 * computed from what the registry sends, and must be the one it names.
 *
 * @returns `sha256:` and 64 digits
 * @throws Error saying what the registry answered
 */
export async function currentDigest({ registry, repository, tag }: Tag): Promise<string> {
  const url = `${registry}/v2/${repository}/manifests/${tag}`;
  const first = await ask(url);
  const response = first.status === 401 ? await ask(url, await token(first)) : first;
  if (!response.ok) throw new Error(`${url} answered ${response.status}; expected an image.`);
  const type = response.headers.get('content-type')?.split(';')[0] ?? 'no type';
  if (!INDEXES.includes(type))
    throw new Error(`${url} answered with ${type}; expected an index of images for several machines.`);
  const bytes = Buffer.from(await response.arrayBuffer());
  if (bytes.length > MAX_MANIFEST_BYTES) throw new Error(`${url} answered with ${bytes.length} bytes.`);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const named = response.headers.get('docker-content-digest');
  if (named !== null && named !== digest)
    throw new Error(`${url} names the digest ${named}, but what it sent has ${digest}.`);
  return digest;
}

function ask(url: string, bearer?: string): Promise<Response> {
  return fetch(url, {
    headers: { accept: INDEXES.join(', '), ...(bearer && { authorization: `Bearer ${bearer}` }) },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

/** A token for anybody, where the registry's challenge says (Distribution, "Token Authentication"). */
async function token(response: Response): Promise<string> {
  const challenge = response.headers.get('www-authenticate') ?? '';
  const parameters = new Map(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );
  const realm = parameters.get('realm');
  if (!/^Bearer /i.test(challenge) || realm === undefined)
    throw new Error(
      `The registry asks for credentials in a way that is not known: ${JSON.stringify(challenge)}.`,
    );
  const url = new URL(realm);
  for (const name of ['service', 'scope']) {
    const value = parameters.get(name);
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const answer = await ask(url.href);
  const body: unknown = answer.ok ? await answer.json() : undefined;
  const found = (body as { token?: unknown; access_token?: unknown } | undefined) ?? {};
  const text = found.token ?? found.access_token;
  if (typeof text !== 'string') throw new Error(`${url.origin} answered ${answer.status} and gave no token.`);
  return text;
}

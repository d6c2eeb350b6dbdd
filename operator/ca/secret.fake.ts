import type { Secret } from '#kube/types.ts';

/** A Secret with these texts. */
export function secretOf(namespace: string, name: string, texts: Readonly<Record<string, string>>): Secret {
  const data = Object.entries(texts).map(([field, text]) => [field, Buffer.from(text).toString('base64')]);
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data: Object.fromEntries(data) };
}

/** What a request's path is about. */
export interface Address {
  /** `group/plural`, the store's name for the collection. */
  readonly resource: string;
  /** `v1`, `mesh.dev/v1alpha1`. */
  readonly apiVersion: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** Reads `/api/v1/namespaces/shop/pods/web-1/status` and the like; undefined for a path that is about no resource. */
export function readAddress(path: string): Address | undefined {
  const match =
    /^\/(?:api|apis\/([^/]+))\/([^/]+)\/(?:namespaces\/([^/]+)\/(?!status$))?([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    );
  if (!match) return undefined;
  const [, group = '', version = '', namespace, plural = '', name, subresource] = match.map(
    (part: string | undefined) => part && decodeURIComponent(part),
  );
  return {
    resource: `${group}/${plural}`,
    apiVersion: group === '' ? version : `${group}/${version}`,
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(subresource ? { subresource } : {}),
  };
}

/** The store's key of the object an address names. */
export function keyOf({ namespace, name }: Address): string {
  return namespace ? `${namespace}/${name ?? ''}` : (name ?? '');
}

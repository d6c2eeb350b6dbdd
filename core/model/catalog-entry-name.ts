/**
 * Name of the CatalogEntry of a service, in the mesh's namespace. Both parts are DNS labels, so no two services share one. Apart
 * from the model, since sidecars do without the schema library.
 */
export function catalogEntryName(namespace: string, service: string): string {
  return `${service}.${namespace}`;
}

import type { Kinds } from '../kinds.ts';
import type { ResourceKind } from '../kind.ts';
import { verbsOf } from '../kind.ts';

/** What there is to ask for: `/api`, `/apis`, `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`; undefined for any other path. */
export function discovery(kinds: Kinds, path: string): object | undefined {
  const [root, group, version, ...more] = path.split('/').filter((part) => part !== '');
  if (root === 'api' && version === undefined)
    return group === undefined ? coreVersions() : coreGroup(kinds, group);
  if (root !== 'apis' || more.length > 0) return undefined;
  if (group === undefined)
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: [...kinds.groups].map(apiGroup) };
  const known = kinds.groups.get(group);
  if (known === undefined) return undefined;
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup([group, known]) };
  return version === known ? resourceList(`${group}/${version}`, kinds.in(group, version)) : undefined;
}

function coreVersions(): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
}

function coreGroup(kinds: Kinds, version: string): object | undefined {
  return version === 'v1' ? resourceList('v1', kinds.in('', version)) : undefined;
}

function apiGroup([name, version]: readonly [string, string]) {
  const preferred = { groupVersion: `${name}/${version}`, version };
  return { name, versions: [preferred], preferredVersion: preferred };
}

function resourceList(groupVersion: string, kinds: readonly ResourceKind[]): object {
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: kinds.flatMap(resources) };
}

function resources(kind: ResourceKind): readonly object[] {
  const { plural, singular, namespaced, shortNames, categories } = kind;
  const lists = {
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
  const common = { namespaced, kind: kind.kind };
  const own = { name: plural, singularName: singular, ...common, verbs: verbsOf(kind), ...lists };
  const status = { name: `${plural}/status`, singularName: '', ...common, verbs: ['get', 'patch', 'update'] };
  const token = {
    name: `${plural}/token`,
    singularName: '',
    namespaced,
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'TokenRequest',
    verbs: ['create'],
  };
  return [own, ...(kind.hasStatus ? [status] : []), ...(plural === 'serviceaccounts' ? [token] : [])];
}

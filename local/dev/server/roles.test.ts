import { ObjectStore } from '../../apiserver/store/object-store.ts';
import { noJournal } from '../../apiserver/store/journal.ts';
import { removeOldBindings } from './roles.ts';

const RBAC = 'rbac.authorization.k8s.io';

test('bindings of sidecars that earlier versions left in the data are removed, and no others', () => {
  const store = new ObjectStore(noJournal);
  const put = (plural: string, name: string, namespace?: string): void =>
    void store.put(`${RBAC}/${plural}`, {
      ...{ apiVersion: `${RBAC}/v1`, kind: 'Any' },
      metadata: { name, ...(namespace ? { namespace } : {}) },
    });
  put('clusterrolebindings', 'mesh-sidecar.shop');
  put('clusterrolebindings', 'mesh-sidecar');
  put('rolebindings', 'mesh-sidecar.shop', 'mesh-system');
  put('rolebindings', 'mesh-sidecar', 'shop');
  removeOldBindings(store);
  const left = ['clusterrolebindings', 'rolebindings'].flatMap((plural) => store.list(`${RBAC}/${plural}`));
  expect(left.map(({ metadata: { name } }) => name)).toEqual(['mesh-sidecar', 'mesh-sidecar']);
});

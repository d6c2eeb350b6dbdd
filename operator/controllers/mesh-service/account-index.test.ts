import type { MeshService } from '#core/model/mesh-service.ts';

import { AccountIndex } from './account-index.ts';

const service = (name: string, serviceAccounts?: string[], namespace = 'shop'): MeshService => ({
  metadata: { name, namespace },
  spec: serviceAccounts ? { serviceAccounts } : {},
});

describe('services that allow the same ServiceAccounts', () => {
  test('are found from either side, within their namespace alone', () => {
    const index = new AccountIndex();
    expect([...index.take(undefined, service('cart', ['app']))]).toEqual([]);
    expect([...index.take(undefined, service('cart', ['app'], 'other'))]).toEqual([]);
    expect([...index.take(undefined, service('checkout', ['app', 'robot']))]).toEqual(['cart']);
    expect(index.sharedWith(service('cart', ['app']))).toEqual({ services: ['checkout'], accounts: ['app'] });
    expect(index.sharedWith(service('checkout', ['app', 'robot']))).toEqual({
      services: ['cart'],
      accounts: ['app'],
    });
    expect(index.sharedWith(service('cart', ['app'], 'other')).services).toEqual([]);
  });

  test('share nothing any more when one is changed or deleted', () => {
    const index = new AccountIndex();
    const [cart, checkout] = [service('cart', ['app']), service('checkout', ['app'])];
    index.take(undefined, cart);
    index.take(undefined, checkout);
    expect([...index.take(checkout, service('checkout', ['own']))]).toEqual(['cart']);
    expect(index.sharedWith(cart).services).toEqual([]);
    index.take(undefined, service('app'));
    expect(index.sharedWith(cart)).toEqual({ services: ['app'], accounts: ['app'] });
    expect([...index.take(service('app'), undefined)]).toEqual(['cart']);
    expect(index.sharedWith(cart).services).toEqual([]);
  });

  test('are looked at again a few at a time, however many there are', () => {
    const index = new AccountIndex();
    for (let i = 0; i < 20_000; i += 1) index.take(undefined, service(`s${i}`, ['app']));
    expect(index.take(undefined, service('last', ['app'])).size).toBe(4);
    expect(index.sharedWith(service('last', ['app'])).services).toHaveLength(4);
  });
});

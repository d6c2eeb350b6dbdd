import type { MeshService } from './mesh-service.ts';
import { podIdentityWarnings, sharedIdentity, sharedIdentitySentence } from './service-identity.ts';

const service = (name: string, serviceAccounts?: string[]): MeshService => ({
  metadata: { name, namespace: 'shop' },
  spec: serviceAccounts ? { serviceAccounts } : {},
});

describe('the identity of a pod that is created', () => {
  test('needs no warning where its service is new, or its own', () => {
    expect(podIdentityWarnings('web', 'web', [])).toEqual([]);
    expect(podIdentityWarnings('web', 'web', [service('web'), service('db')])).toEqual([]);
    expect(podIdentityWarnings('web', 'robot', [service('web', ['web', 'robot'])])).toEqual([]);
  });

  test('is warned when its name is taken by other accounts, with what to write', () => {
    expect(podIdentityWarnings('web', 'robot', [service('web')])).toEqual([
      'service web belongs to ServiceAccount web: this pod of ServiceAccount robot gets no certificate for it; write another name in mesh/service, or add robot to spec.serviceAccounts of MeshService web',
    ]);
    expect(podIdentityWarnings('web', 'robot', [service('web', [])])[0]).toContain('ServiceAccount (none)');
  });

  test('is warned when its account may be other services, however many, in one sentence', () => {
    expect(
      podIdentityWarnings('cart', 'app', [service('cart', ['app']), service('checkout', ['app'])]),
    ).toEqual([
      "pods of ServiceAccount app may also be checkout: these services can take each other's identity; give each a ServiceAccount of its own",
    ]);
    const many = Array.from({ length: 5_000 }, (_, index) => service(`s${index}`, ['app']));
    const [warning, ...more] = podIdentityWarnings('cart', 'app', many);
    expect(more).toEqual([]);
    expect(warning).toContain('may also be s0, s1, s10, …: ');
  });
});

describe('what services share', () => {
  test('is nothing where each has ServiceAccounts of its own', () => {
    const shared = sharedIdentity('web', ['web'], [service('web'), service('db')]);
    expect(shared).toEqual({ services: [], accounts: [] });
    expect(sharedIdentitySentence(shared)).toBeUndefined();
  });

  test('names the other services, and of the accounts only those that are shared', () => {
    const others = [service('db', ['data', 'robot']), service('cache', ['data']), service('app')];
    expect(sharedIdentity('web', ['web', 'robot', 'data'], others)).toEqual({
      services: ['cache', 'db'],
      accounts: ['data', 'robot'],
    });
  });
});

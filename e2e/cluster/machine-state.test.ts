import { differences } from './machine-state.ts';

test('names what is new and what is gone', () => {
  const before = { mounts: ['a', 'b'], processes: [] };
  const after = { mounts: ['b', 'c'], processes: ['7 etcd'] };
  expect(differences(before, after)).toEqual(['mounts: + c', 'mounts: - a', 'processes: + 7 etcd']);
  expect(differences(before, before)).toEqual([]);
});

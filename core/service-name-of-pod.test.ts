import fc from 'fast-check';

import { serviceNameOfPod } from './service-name-of-pod.ts';

describe('the service of a pod', () => {
  const annotations = { 'mesh/service': 'one' };
  const labels = { 'app.kubernetes.io/name': 'two', app: 'three' };
  const serviceAccountName = 'four';

  it('is its annotation, else its labels, else its ServiceAccount', () => {
    expect(serviceNameOfPod({ annotations, labels, serviceAccountName })).toEqual({ service: 'one' });
    expect(serviceNameOfPod({ labels, serviceAccountName })).toEqual({ service: 'two' });
    expect(serviceNameOfPod({ labels: { app: 'three' }, serviceAccountName })).toEqual({ service: 'three' });
    expect(serviceNameOfPod({ labels: { 'app.kubernetes.io/name': '', app: 'three' } })).toEqual({
      service: 'three',
    });
    expect(serviceNameOfPod({ labels: {}, serviceAccountName })).toEqual({ service: 'four' });
  });

  it.each([
    [{}],
    [{ serviceAccountName: 'default' }],
    [{ serviceAccountName: '' }],
    [{ labels: { name: 'x' } }],
  ])('is nothing for %j, which is told with what to write', (pod) => {
    expect(serviceNameOfPod(pod)).toEqual({
      fault:
        'nothing says which service this pod is; write the annotation mesh/service: <name of the service>',
    });
  });

  it('is one, not two', () => {
    const read = serviceNameOfPod({ annotations: { 'mesh/service': 'web, admin' } });
    expect('fault' in read ? read.fault : '').toContain('names 2 services; one pod is one service');
  });

  it('is not guessed where what is written cannot be a name', () => {
    const faulty = [
      { annotations: { 'mesh/service': 'Web' }, labels },
      { annotations: { 'mesh/service': '' }, labels },
      { labels: { app: 'My_App' }, serviceAccountName },
      { serviceAccountName: 'build.robot' },
    ].map((pod) => serviceNameOfPod(pod));
    expect(faulty.map((read) => ('fault' in read ? read.fault : ''))).toEqual([
      'annotation mesh/service gives the service name: "Web": upper case is not allowed; write "web"',
      'annotation mesh/service gives the service name: is empty',
      expect.stringContaining('label app gives the service name: "My_App"'),
      expect.stringContaining('the ServiceAccount gives the service name: "build.robot"'),
    ]);
    expect(faulty[2]).toEqual({ fault: expect.stringContaining('or write the annotation mesh/service') });
  });

  it('never makes the reader fail', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), fc.string({ unit: 'binary' }), (map, text) => {
        serviceNameOfPod({
          annotations: { ...map, 'mesh/service': text },
          labels: map,
          serviceAccountName: text,
        });
        serviceNameOfPod({ annotations: map, labels: { ...map, app: text }, serviceAccountName: text });
      }),
    );
  });
});

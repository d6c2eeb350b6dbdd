import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FakeApiServer } from '../testing/fake-api.fake.ts';
import { KubeClient } from '../client/client.ts';
import { kubeconfig } from './kubeconfig.ts';
import { selfSignedPair } from '#base/testing/serving-cert.fake.ts';
import { PODS } from '../types.ts';

const cleanUps: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

function file(cluster: object, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [
      { name: 'here', context: { cluster: 'c', user: 'u' } },
      { name: 'broken', context: { cluster: 'nowhere', user: 'u' } },
    ],
  });
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('a kubeconfig', () => {
  test('with a client certificate reaches the server', async () => {
    const [serving, user] = await Promise.all([selfSignedPair(), selfSignedPair('user')]);
    const fake = await FakeApiServer.started({
      tls: { ...serving, protocol: 'h2', clientCaPem: user.certPem },
    });
    const text = file(
      { server: fake.url, 'certificate-authority-data': base64(serving.certPem) },
      { 'client-certificate-data': base64(user.certPem), 'client-key-data': base64(user.keyPem) },
    );
    const client = new KubeClient({ config: await kubeconfig({ text }) });
    cleanUps.push(
      () => client.close(),
      () => fake.close(),
    );
    expect((await client.list(PODS)).items).toEqual([]);
  });

  test('with a token gives it, and with a token command runs it', async () => {
    const cluster = { server: 'https://127.0.0.1:6443' };
    const config = await kubeconfig({ text: file(cluster, { token: 'abc' }) });
    expect(config).toMatchObject({ server: 'https://127.0.0.1:6443' });
    expect(await config.token?.()).toBe('abc');
    const credential = JSON.stringify({
      kind: 'ExecCredential',
      apiVersion: 'client.authentication.k8s.io/v1',
      status: { token: 'fresh' },
    });
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'echo',
      args: [credential],
      interactiveMode: 'Never',
    };
    expect(await (await kubeconfig({ text: file(cluster, { exec }) })).token?.()).toBe('fresh');
  });

  test('may be a file that names files', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
    cleanUps.push(() => rm(dir, { recursive: true }));
    await writeFile(join(dir, 'ca.crt'), 'roots');
    const path = join(dir, 'config');
    await writeFile(
      path,
      file(
        { server: 'https://x:1', 'certificate-authority': 'ca.crt', 'tls-server-name': 'y' },
        { token: 't' },
      ),
    );
    const config = await kubeconfig({ path });
    expect(config).toMatchObject({ caPem: 'roots', tlsServerName: 'y' });
    await writeFile(join(dir, 'ca.crt'), 'new roots');
    expect(await config.readCa?.()).toBe('new roots');
  });

  test('that skips verification says so, and only then', async () => {
    const skipping = await kubeconfig({
      text: file({ server: 'https://x:1', 'insecure-skip-tls-verify': true }, {}),
    });
    expect(skipping.insecureSkipTlsVerify).toBe(true);
    expect(await kubeconfig({ text: file({ server: 'https://x:1' }, {}) })).toEqual({
      server: 'https://x:1',
    });
  });

  test('that cannot be used is refused with a sentence', async () => {
    await expect(
      kubeconfig({ text: file({ server: 'https://x:1' }, {}), context: 'broken' }),
    ).rejects.toThrow('no cluster for the context "broken"');
    await expect(
      kubeconfig({ text: file({ server: 'https://x:1', 'proxy-url': 'http://p:1' }, {}) }),
    ).rejects.toThrow('connect directly');
  });
});

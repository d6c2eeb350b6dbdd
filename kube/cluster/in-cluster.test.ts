import { describe, expect, test } from '@jest/globals';

import { DEFAULT_TOKEN_DIR, SERVICE_ACCOUNT_DIR, inClusterConfig } from './in-cluster.ts';

const CA = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
const ENV = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

function files(contents: Record<string, string>) {
  return (path: string): Promise<string> => {
    const text = contents[path];
    return text === undefined
      ? Promise.reject(Object.assign(new Error('no'), { code: 'ENOENT' }))
      : Promise.resolve(text);
  };
}

const mounted = (dir: string, token = 'token\n') => ({ [`${dir}/token`]: token, [`${dir}/ca.crt`]: CA });

describe('inside a pod', () => {
  test('the server comes from the environment, token and CA from the files injection mounts', async () => {
    const config = await inClusterConfig(
      ENV,
      files({ ...mounted(DEFAULT_TOKEN_DIR), ...mounted(SERVICE_ACCOUNT_DIR, 'other') }),
    );
    expect(config).toMatchObject({ server: 'https://10.96.0.1:443', caPem: CA });
    expect(await config.token?.()).toBe('token');
  });

  test('a pod of the operator uses the ServiceAccount mount, or the directory it is told', async () => {
    const operator = await inClusterConfig(ENV, files(mounted(SERVICE_ACCOUNT_DIR)));
    expect(await operator.token?.()).toBe('token');
    const told = await inClusterConfig(
      { ...ENV, MESH_KUBE_TOKEN_DIR: '/x' },
      files({ ...mounted('/x', 'x'), ...mounted(SERVICE_ACCOUNT_DIR) }),
    );
    expect(await told.token?.()).toBe('x');
  });

  test('token and CA are read again each time', async () => {
    const contents = mounted(DEFAULT_TOKEN_DIR);
    const config = await inClusterConfig(ENV, files(contents));
    contents[`${DEFAULT_TOKEN_DIR}/token`] = 'rotated';
    contents[`${DEFAULT_TOKEN_DIR}/ca.crt`] = 'new roots';
    expect(await config.token?.()).toBe('rotated');
    expect(await config.readCa?.()).toBe('new roots');
  });

  test('an IPv6 address is put in brackets', async () => {
    const env = {
      KUBERNETES_SERVICE_HOST: 'fd00::1',
      KUBERNETES_SERVICE_PORT: '443',
      KUBERNETES_SERVICE_PORT_HTTPS: '6443',
    };
    expect((await inClusterConfig(env, files(mounted(DEFAULT_TOKEN_DIR)))).server).toBe(
      'https://[fd00::1]:6443',
    );
  });
});

describe('elsewhere', () => {
  test('everything that is missing is named at once', async () => {
    const fault = inClusterConfig({}, files({}));
    await expect(fault).rejects.toThrow(/KUBERNETES_SERVICE_HOST/);
    await expect(fault).rejects.toThrow(
      new RegExp(`${DEFAULT_TOKEN_DIR} \\(ENOENT\\).*${SERVICE_ACCOUNT_DIR} \\(ENOENT\\)`),
    );
  });

  test('an empty token or a CA that is none is refused', async () => {
    await expect(
      inClusterConfig({ ...ENV, MESH_KUBE_TOKEN_DIR: '/x' }, files(mounted('/x', '\n'))),
    ).rejects.toThrow('/x must hold a token');
    const noCa = files({ '/x/token': 't', '/x/ca.crt': 'nothing' });
    await expect(inClusterConfig({ ...ENV, MESH_KUBE_TOKEN_DIR: '/x' }, noCa)).rejects.toThrow(
      'PEM certificate',
    );
  });
});

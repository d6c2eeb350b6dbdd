import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { stringify } from 'yaml';

import { Kubectl, findKubectl } from './kubectl.fake.ts';
import { Target } from './target.fake.ts';

/** What people do with an unmodified kubectl. Held against the embedded API and a real one. */
const program = await findKubectl();
const withKubectl = program === undefined ? describe.skip : describe;

withKubectl(`kubectl 1.32 or newer (${program ?? 'neither here nor to be had from Debian'})`, () => {
  let target: Target;
  let kubectl: Kubectl;

  beforeAll(async () => {
    target = await Target.start();
    kubectl = new Kubectl(program!, target, target.isEmbedded ? await target.config.token?.() : undefined);
  }, 60_000);
  afterAll(async () => {
    kubectl.remove();
    await target.close();
  }, 120_000);

  const manifest = (name: string, spec: object = {}, metadata: object = {}): string =>
    stringify(target.intention(name, spec, metadata));
  const apply = (text: string, ...args: string[]) => kubectl.run(['apply', '-f', '-', ...args], text);

  test('apply makes, leaves alone, and changes', async () => {
    expect((await apply(manifest('a'))).out).toBe('intention.mesh.dev/a created\n');
    expect((await apply(manifest('a'))).out).toBe('intention.mesh.dev/a unchanged\n');
    expect((await apply(manifest('a', { action: 'deny' }))).out).toBe('intention.mesh.dev/a configured\n');
  });

  test('get shows our columns', async () => {
    await apply(manifest('b'));
    const { out } = await kubectl.run(['get', 'ixn', 'b']);
    const [head = '', row = ''] = out.split('\n');
    expect(head.split(/\s+/)).toEqual([
      'NAME',
      'SOURCE',
      'ACTION',
      'DESTINATION',
      'PRECEDENCE',
      'ENFORCED',
      'AGE',
    ]);
    expect(row.split(/\s+/).slice(0, 4)).toEqual(['b', 'web', 'allow', 'b']);
    expect((await kubectl.run(['get', 'intentions', 'b', '-o', 'wide'])).out).toMatch(/SOURCE-SPIFFE-ID/);
    expect((await kubectl.run(['get', 'intentions', 'b', '-o', 'yaml'])).out).toContain('action: allow');
    expect((await kubectl.run(['get', 'intentions', '-o', 'name'])).out).toContain('intention.mesh.dev/b\n');
  });

  test('selectors choose', async () => {
    await apply(manifest('c', {}, { labels: { tier: 'front' } }));
    expect((await kubectl.run(['get', 'ixn', '-l', 'tier=front', '-o', 'name'])).out).toBe(
      'intention.mesh.dev/c\n',
    );
    expect((await kubectl.run(['get', 'ixn', '--field-selector', 'metadata.name=c', '-o', 'name'])).out).toBe(
      'intention.mesh.dev/c\n',
    );
  });

  test('a watch shows what changes', async () => {
    await apply(manifest('d'));
    const watching = kubectl.run(['get', 'ixn', 'd', '--watch', '--request-timeout=8s', '--no-headers']);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await apply(manifest('d', { action: 'deny' }));
    const rows = (await watching).out
      .trim()
      .split('\n')
      .map((row) => row.split(/\s+/)[2]);
    expect(rows).toEqual(['allow', 'deny']);
  });

  test('explain describes our fields', async () => {
    const { out } = await kubectl.run(['explain', 'intention.spec.expiresAt']);
    expect(out).toContain('The rule expires at this time');
  });

  test('edit changes', async () => {
    await apply(manifest('e'));
    const editor = join(kubectl.folder, 'editor.sh');
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/action: allow/action: deny/" "$1"\n', { mode: 0o755 });
    const { out } = await kubectl.run(['edit', 'ixn', 'e'], '', { KUBE_EDITOR: editor });
    expect(out).toBe('intention.mesh.dev/e edited\n');
    expect((await kubectl.run(['get', 'ixn', 'e', '-o', 'jsonpath={.spec.action}'])).out).toBe('deny');
  });

  test('wait sees a condition', async () => {
    await apply(manifest('f'));
    const waiting = kubectl.run(['wait', '--for=condition=Accepted', 'ixn/f', '--timeout=20s']);
    const condition = {
      type: 'Accepted',
      status: 'True',
      reason: 'Valid',
      message: 'so',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    await target.http.patch(`${target.intentions('f')}/status`, 'merge', {
      status: { conditions: [condition] },
    });
    expect((await waiting).out).toBe('intention.mesh.dev/f condition met\n');
  });

  test('server-side apply names who else owns a field', async () => {
    await apply(manifest('g'), '--server-side', '--field-manager=one');
    const { code, err } = await apply(
      manifest('g', { action: 'deny' }),
      '--server-side',
      '--field-manager=two',
    );
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringContaining('conflict with "one": .spec.action'),
    });
    const forced = await apply(
      manifest('g', { action: 'deny' }),
      '--server-side',
      '--field-manager=two',
      '--force-conflicts',
    );
    expect(forced.out).toBe('intention.mesh.dev/g serverside-applied\n');
  });

  test('a rehearsal on the server keeps nothing', async () => {
    expect((await apply(manifest('h'), '--dry-run=server')).out).toBe(
      'intention.mesh.dev/h created (server dry run)\n',
    );
    expect((await kubectl.run(['get', 'ixn', 'h'])).err).toBe(
      'Error from server (NotFound): intentions.mesh.dev "h" not found\n',
    );
  });

  test('a wrong value is refused with what is allowed', async () => {
    const { code, err } = await apply(manifest('i', { action: 'permit' }));
    expect(code).toBe(1);
    expect(err).toContain(
      'The Intention "i" is invalid: spec.action: Unsupported value: "permit": supported values: "allow", "deny"',
    );
  });

  test('a field that nobody knows is refused', async () => {
    const { code, err } = await apply(manifest('j', { nonsense: true }));
    expect(code).toBe(1);
    expect(err).toMatch(/unknown field .*nonsense/);
  });

  test('namespaces, accounts, roles, maps and secrets are made without a file', async () => {
    const made = async (...args: string[]) => (await kubectl.run(['create', ...args])).out;
    const name = `${target.namespace}-made`;
    expect(await made('namespace', name)).toBe(`namespace/${name} created\n`);
    expect((await kubectl.run(['delete', 'namespace', name])).code).toBe(0);
    expect(await made('serviceaccount', 'made')).toBe('serviceaccount/made created\n');
    expect(await made('configmap', 'made', '--from-literal=a=1', '--from-literal=empty=')).toBe(
      'configmap/made created\n',
    );
    expect(await made('secret', 'generic', 'made', '--from-literal=a=hidden')).toBe('secret/made created\n');
    expect(await made('role', 'made', '--verb=get', '--resource=configmaps', '--resource-name=made')).toBe(
      'role.rbac.authorization.k8s.io/made created\n',
    );
    expect(await made('rolebinding', 'made', '--role=made', '--serviceaccount=some:one', '--user=you')).toBe(
      'rolebinding.rbac.authorization.k8s.io/made created\n',
    );
    const at = async (path: string) => (await target.http.get(path)).body;
    expect((await at(target.core('configmaps', 'made'))).data).toEqual({ a: '1', empty: '' });
    expect(await at(target.core('secrets', 'made'))).toMatchObject({
      data: { a: 'aGlkZGVu' },
      type: 'Opaque',
    });
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${target.namespace}`;
    expect((await at(`${rbac}/roles/made`)).rules).toEqual([
      { apiGroups: [''], resources: ['configmaps'], resourceNames: ['made'], verbs: ['get'] },
    ]);
    expect(await at(`${rbac}/rolebindings/made`)).toMatchObject({
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'made' },
      subjects: [
        { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'you' },
        { kind: 'ServiceAccount', name: 'one', namespace: 'some' },
      ],
    });
  }, 60_000);

  test('create says what is there already', async () => {
    expect(await kubectl.run(['create', 'namespace', target.namespace])).toMatchObject({
      code: 1,
      err: `Error from server (AlreadyExists): namespaces "${target.namespace}" already exists\n`,
    });
  });

  test('create token gives a token that is good', async () => {
    await kubectl.run(['create', 'serviceaccount', 'holder']);
    const { out } = await kubectl.run(['create', 'token', 'holder', '--audience=mesh', '--duration=15m']);
    const { body } = await target.http.post('/apis/authentication.k8s.io/v1/tokenreviews', {
      spec: { token: out.trim(), audiences: ['mesh'] },
    });
    expect(body.status).toMatchObject({
      authenticated: true,
      user: { username: `system:serviceaccount:${target.namespace}:holder` },
    });
    const [, payload = ''] = out.split('.');
    const { exp, iat } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, number>;
    expect(exp! - iat!).toBe(900);
  });

  test('auth can-i and whoami answer', async () => {
    expect(await kubectl.run(['auth', 'can-i', 'delete', 'intentions.mesh.dev'])).toMatchObject({
      code: 0,
      out: 'yes\n',
    });
    expect((await kubectl.run(['auth', 'can-i', 'get', '/healthz'])).out).toBe('yes\n');
    const { code, out, err } = await kubectl.run(['auth', 'whoami', '-o', 'json']);
    // Servers before 1.28 know no such review.
    if (target.minor < 28) return expect(err).toContain('selfsubjectreviews API is not enabled');
    expect(code).toBe(0);
    expect((JSON.parse(out) as { status: object }).status).toMatchObject({
      userInfo: { username: expect.any(String), groups: expect.arrayContaining(['system:authenticated']) },
    });
  });

  test('delete deletes, and a namespace goes with all that is in it', async () => {
    await apply(manifest('k'));
    expect((await kubectl.run(['delete', 'ixn', 'k'])).out).toBe('intention.mesh.dev "k" deleted\n');
    const name = `${target.namespace}-k`;
    await apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
    expect(await kubectl.run(['delete', 'namespace', name])).toMatchObject({
      code: 0,
      out: `namespace "${name}" deleted\n`,
    });
  }, 60_000);
});

import { inspect } from 'node:util';

import { eventually } from '#base/testing/eventually.ts';
import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { EVENTS, MESH_CONFIGS, MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS } from '#kube/types.ts';

import { SigningWorld } from '../signing/signing-world.fake.ts';
import type { AdmissionDeps } from '../webhooks/admission.ts';
import { startOperator } from './composition.ts';
import { readConfig } from '../config/config.ts';
import type { AuditFile } from '../audit/audit-file.ts';
import type { Authority } from '../ca/authority.ts';

/** How long what is waited for may take here. */
const IN_TIME = { withinMs: 25_000 };

/** Everything that anybody could read of the operator is gathered and searched for keys and tokens, in every form that they have. */

/** Whatever the key: PEM, PEM in base64 (Secrets), and the beginnings of PKCS#8 and SEC1 in base64 and hex. */
const KEY_FORMS = [
  'PRIVATE KEY',
  Buffer.from('-----BEGIN PRIVATE KEY').toString('base64').slice(0, 24),
  'MIGHAgEAMBMGByqGSM49AgEG',
  'MIG2AgEAMBAGByqGSM49AgEG',
  'MHcCAQEEI',
  '308187020100301306072a8648ce3d',
];

/** What would be in a log that took the thing, in a crash, in an answer. */
function everyForm(...things: readonly unknown[]): string {
  return things
    .flatMap((thing) => [
      inspect(thing, { depth: 10, maxStringLength: null, maxArrayLength: null }),
      JSON.stringify(thing) ?? '',
      String(thing),
    ])
    .join('\n');
}

/** The lines and the whole of a key, as PEM, in base64, and as an array of bytes. */
function formsOf(keyPem: string): string[] {
  const der = Buffer.from(keyPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return [
    ...keyPem.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----')),
    Buffer.from(keyPem).toString('base64'),
    der.toString('hex'),
    der.toString('base64url'),
    [...der.subarray(36, 60)].join(','),
  ];
}

function expectClean(said: string, secrets: readonly string[]): void {
  expect(said.length).toBeGreaterThan(1_000);
  for (const form of [...KEY_FORMS, ...secrets]) expect(said.includes(form)).toBe(false);
}

test('start, rotation and end of an operator show no key: not in log, Events, status, webhooks, metrics, answers, nor in what a crash prints', async () => {
  const fake = await FakeApiServer.started();
  const log = new FakeLog();
  const keys = new Set<string>();
  const gather = (): void => {
    for (const { data = {} } of fake.objects(SECRETS))
      for (const [name, value] of Object.entries(data))
        if (name.endsWith('.key')) keys.add(Buffer.from(value, 'base64').toString());
  };
  const config = readConfig({
    ...{ MESH_NAMESPACE: 'mesh', POD_NAME: 'op', MESH_SIDECAR_IMAGE: 'sidecar' },
    ...{ MESH_HTTPS_PORT: '0', MESH_HTTP_PORT: '0' },
  });
  const parts: AdmissionDeps[] = [];
  const operator = await startOperator({
    ...{ config, api: fake.api, clock: systemClock, log, processMetrics: false, lingerMs: 0 },
    replicas: 'one',
    webhooks: (given) => {
      parts.push(given);
      return undefined;
    },
  });
  const said: unknown[] = [];
  try {
    await eventually(() => fake.find(MESH_CONFIGS, { name: 'mesh' })?.status?.roots !== undefined, IN_TIME);
    gather();
    const ask = { ca: { rotation: { request: 'now', mode: 'forced' } } };
    await fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { spec: ask });
    await eventually(() => {
      gather();
      return fake.find(MESH_CONFIGS, { name: 'mesh' })?.status?.lastRotation?.result === 'Completed';
    }, IN_TIME);
    for (const path of ['/metrics', '/readyz', '/healthz', '/v1/sign', '/nothing'])
      said.push(await (await fetch(`http://127.0.0.1:${operator.httpPort}${path}`)).text());
    // A Secret that cannot be read is told of without what is in it.
    const secret = fake.find(SECRETS, { name: 'mesh-ca', namespace: 'mesh' })!;
    const broken = Buffer.from([...keys][0]!.slice(0, 100)).toString('base64');
    fake.put(SECRETS, { ...secret, data: { ...secret.data, 'root.key': broken } });
    const { authority } = parts[0] as unknown as { authority: Authority };
    const fault = await authority.fault();
    expect(fault).toContain('is broken');
    said.push(fault, operator.rootsPem(), everyForm(operator, authority, config));
  } finally {
    await operator.stop();
  }
  said.push(JSON.stringify([fake.objects(EVENTS), fake.objects(MESH_CONFIGS)]));
  said.push(JSON.stringify([fake.objects(MUTATING_WEBHOOKS), fake.objects(VALIDATING_WEBHOOKS)]));
  await fake.close();
  expect(keys.size).toBe(2);
  expectClean(
    said.join('\n') + everyForm(...log.lines),
    [...keys].flatMap((key) => formsOf(key)),
  );
}, 60_000);

test('signing shows no key and no token, whatever goes wrong', async () => {
  const world = await SigningWorld.create();
  const records: unknown[] = [];
  const file = { record: (entry: object) => void records.push(entry) } satisfies Pick<AuditFile, 'record'>;
  world.service = world.serviceWith({ file });
  const answers = [
    await world.ask(),
    await world.ask({ token: 'stolen-token' }),
    await world.ask({ csr: 'rubbish' }),
    await world.ask({ service: 'db' }),
  ];
  world.store.before = () => {
    throw new Error('the API server is away');
  };
  answers.push(await world.ask());
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 400, 403, 500]);
  expect(records.map((record) => (record as { event: string }).event)).toEqual([
    'issued',
    ...Array.from({ length: 4 }, () => 'refused'),
  ]);
  const secret = world.store.objects.get('secrets mesh/mesh-ca') as unknown as {
    data: Record<string, string>;
  };
  const key = Buffer.from(secret.data['root.key']!, 'base64').toString();
  const serving = await world.authority.issueServing(['mesh-operator']);
  const said = everyForm(
    world.authority,
    world.service,
    serving,
    answers,
    records,
    world.events.told,
    world.log.lines,
  );
  expectClean(said, [...formsOf(key), ...formsOf(serving.keyPem), 'web-token', 'stolen-token']);
});

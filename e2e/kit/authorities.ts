import { docsBlocks } from '#operator/ca/docs.fake.ts';
import { programPath, STEP_CA, VAULT } from '#operator/ca/go-programs.fake.ts';
import type { GoProgram } from '#operator/ca/go-programs.fake.ts';
import { CONFIG_FILE, stepCaFiles } from '#operator/ca/step-ca/step-server.fake.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { kubeconfigPath } from '../cluster/paths.ts';
import { Background } from './background.ts';
import { eventually } from './eventually.ts';
import { apply, exec, execOk } from './kubectl.ts';
import type { PodRef } from './kubectl.ts';
import { MESH_NAMESPACE } from './mesh.ts';
import { runOk } from './run.ts';

/** Other certificate authorities than the builtin one, the real programs, in a pod. */

/** What `spec.ca` says to use it. */
export interface AuthorityInPod {
  readonly ca: { readonly provider: string; readonly config: Readonly<Record<string, string>> };
  stop(): Promise<void>;
  /** After {@link stop}: as it was. */
  resume(): Promise<void>;
}

const FOLDER = '/tmp/authority';

/** A Vault, unsealed, with its root token in the Secret that the operator reads. */
export async function vaultIn(pod: PodRef, host: string): Promise<AuthorityInPod> {
  const pki = await TestPki.create();
  const serving = await pki.serving([host]);
  await upload(pod, VAULT);
  await write(pod, 'tls.crt', serving.certChainPem);
  await write(pod, 'tls.key', serving.keyPem);
  const program = new Background(pod, [
    ...[`${FOLDER}/${VAULT.name}`, `${FOLDER}/tls.crt`, `${FOLDER}/tls.key`],
    '0.0.0.0:8200',
  ]);
  const ask = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const url = `https://127.0.0.1:8200/v1/sys/${path}`;
    const answer = await execOk(pod, ['curl', '-sk', '-X', 'POST', '-d', JSON.stringify(body), url]);
    return JSON.parse(answer) as Record<string, unknown>;
  };
  const made = await eventually('Vault is initialized', async () => {
    const answer = await ask('init', { secret_shares: 1, secret_threshold: 1 });
    return 'root_token' in answer ? answer : undefined;
  });
  const [key] = made['keys_base64'] as string[];
  await eventually(
    'Vault is unsealed',
    async () => (await ask('unseal', { key }))['sealed'] === false || undefined,
  );
  await apply(secret('mesh-ca-vault', { token: String(made['root_token']) }));
  const config = {
    address: `https://${host}:8200`,
    caCertificate: pki.rootPem,
    auth: 'token',
    rootPath: 'mesh-root',
    intermediatePath: 'mesh-intermediate',
  };
  return {
    ca: { provider: 'vault', config },
    stop: () => kill(pod, VAULT, program),
    resume: () => Promise.reject(new Error('its storage was in memory')),
  };
}

/** A step-ca with the provisioner of the documentation, whose key is in the Secret that the operator reads. */
export async function stepCaIn(pod: PodRef, host: string): Promise<AuthorityInPod> {
  const { files, caPem, provisionerKeyPem } = await stepCaFiles({
    folder: FOLDER,
    address: '0.0.0.0:9443',
    dnsName: host,
    template: docsBlocks('text')[0],
    claims: { minTLSCertDuration: '10s' },
  });
  await upload(pod, STEP_CA);
  for (const [name, content] of Object.entries(files)) await write(pod, name, content);
  let program: Background;
  const resume = async (): Promise<void> => {
    program = new Background(pod, [`${FOLDER}/${STEP_CA.name}`, `${FOLDER}/${CONFIG_FILE}`]);
    await eventually('step-ca answers', async () =>
      (await exec(pod, ['curl', '-skf', 'https://127.0.0.1:9443/health'])).code === 0 ? true : undefined,
    );
  };
  await resume();
  await apply(secret('mesh-ca-step', { 'provisioner-key': provisionerKeyPem }));
  const config = { address: `https://${host}:9443`, caCertificate: caPem, provisioner: 'mesh' };
  return { ca: { provider: 'step-ca', config }, stop: () => kill(pod, STEP_CA, program), resume };
}

/** Ending the `kubectl exec` alone would leave the program running in the pod. */
async function kill(pod: PodRef, { name }: GoProgram, program: Background): Promise<void> {
  const command = `for p in /proc/[0-9]*; do case "$(readlink $p/exe)" in */${name}) kill -9 "$(basename $p)";; esac; done`;
  await exec(pod, ['sh', '-c', command]);
  program.stop();
}

async function upload(pod: PodRef, program: GoProgram): Promise<void> {
  const into = `mkdir -p ${FOLDER} && cat > ${FOLDER}/${program.name} && chmod +x ${FOLDER}/${program.name}`;
  const exec = `kubectl exec -i -n ${pod.namespace} ${pod.name} -c ${pod.container} -- sh -c '${into}'`;
  await runOk(['sh', '-c', `${exec} < "$0"`, programPath(program)], {
    env: { KUBECONFIG: kubeconfigPath() },
  });
}

async function write(pod: PodRef, name: string, content: string): Promise<void> {
  await execOk(pod, ['sh', '-c', `umask 077; mkdir -p ${FOLDER}; cat > ${FOLDER}/${name}`], {
    input: content,
  });
}

function secret(name: string, stringData: object): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: MESH_NAMESPACE }, stringData };
}

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClusterBackend } from './backend.ts';
import { buildImage } from './build-image.ts';
import { kubectl } from './kubectl.ts';
import type { Steps } from './steps.ts';
import { redirected, verifyImage, verifyManifest, verifyNamespace } from './verify/manifest.ts';

/** One thing that tests rely on: a command in the pod `web-0`, and what it must print. */
interface Check {
  what: string;
  command: string;
  expected: RegExp;
}

const zone = `${verifyNamespace}.svc.cluster.local`;
const curl = 'curl --silent --max-time 5';
const payload = (file: string): string =>
  `cut -d. -f2 ${file} | tr _- /+ | base64 --decode 2>/dev/null || true`;

const checks: Check[] = [
  { what: 'a Service by its short name', command: `${curl} http://web/`, expected: /^web-[01] sees / },
  {
    what: 'both pods of a Service',
    command: `for i in $(seq 40); do ${curl} http://web/ | cut -d' ' -f1; done | sort -u | wc -l`,
    expected: /^2$/,
  },
  {
    what: 'a pod of a StatefulSet by its name',
    command: `${curl} http://web-1.headless.${zone}:8080/`,
    expected: /^web-1 /,
  },
  {
    what: 'all pods of a headless Service, over TCP',
    command: `dig +tcp +short headless.${zone} | wc -l`,
    expected: /^2$/,
  },
  {
    what: 'SRV records',
    command: `dig +short SRV _http._tcp.headless.${zone}`,
    expected: /8080 web-[01]\.headless/,
  },
  { what: 'NXDOMAIN for what does not exist', command: `dig nobody.${zone}`, expected: /NXDOMAIN/ },
  {
    what: 'redirection of outgoing connections, nftables',
    command: `${curl} http://${redirected.nftables}/`,
    expected: /^web-0 /,
  },
  {
    what: 'redirection of outgoing connections, iptables',
    command: `${curl} http://${redirected.iptables}/`,
    expected: /^web-0 /,
  },
  {
    what: 'redirection of incoming connections',
    command: `${curl} http://web-1.headless:9999/`,
    expected: /^web-1 /,
  },
  {
    what: 'a pod reaches itself through its Service',
    command: `for i in $(seq 20); do ${curl} http://web/; done`,
    expected: /^web-0 /m,
  },
  {
    what: 'a projected token with an audience',
    command: payload('/token/token'),
    expected: /"aud":\["mesh\.dev"\].*"pod":\{"name":"web-0"/,
  },
  {
    what: 'a bound token of the ServiceAccount',
    command: payload('/var/run/secrets/kubernetes.io/serviceaccount/token'),
    expected: /"pod":\{"name":"web-0"/,
  },
  {
    what: 'the API server by its Service',
    command: `${curl} --insecure https://kubernetes.default/version`,
    expected: /"major": "1"/,
  },
];

/**
 * Runs pods that prove what the end-to-end tests rely on.
 * @throws Error naming every check that failed
 */
export async function verify(backend: ClusterBackend, steps: Steps): Promise<void> {
  const context = fileURLToPath(new URL('verify/', import.meta.url));
  const request = { file: join(context, 'Dockerfile'), name: verifyImage, context };
  const { archive } = await buildImage(request, steps);
  await backend.loadImage(archive);
  steps.say('starting pods');
  const pods = (...args: string[]): Promise<string> => kubectl(['--namespace', verifyNamespace, ...args]);
  await kubectl(['delete', 'namespace', verifyNamespace, '--ignore-not-found', '--wait']);
  await kubectl(['apply', '-f', '-'], JSON.stringify(verifyManifest));
  try {
    await pods('rollout', 'status', 'statefulset/web', '--timeout=120s');
    const failures: string[] = [];
    for (const { what, command, expected } of checks) {
      const said = await pods('exec', 'web-0', '--container=web', '--', 'sh', '-c', command).catch(String);
      report(expected.test(said.trim()), what, said, failures);
    }
    await outside(pods, failures);
    if (failures.length > 0) throw new Error(`${failures.length} checks failed: ${failures.join('; ')}`);
  } finally {
    await kubectl(['delete', 'namespace', verifyNamespace, '--wait=false']);
  }
}

/** What is asked from the host. */
async function outside(pods: (...args: string[]) => Promise<string>, failures: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-e2e-'));
  await pods('cp', '--container=web', 'web-0:/etc/debian_version', join(folder, 'copy')).catch(
    () => undefined,
  );
  report(
    /^\d+/.test(safely(() => readFileSync(join(folder, 'copy'), 'utf8'))),
    'kubectl cp',
    'no file',
    failures,
  );
  rmSync(folder, { recursive: true });
  const logs = await pods('logs', 'web-0', '--container=rules').then(() => 'read', String);
  report(logs === 'read', 'kubectl logs', logs, failures);
  const slices = await pods(
    'get',
    'endpointslices',
    '-l',
    'kubernetes.io/service-name=headless,service.kubernetes.io/headless',
    '-o',
    'name',
  );
  report(slices !== '', 'EndpointSlices of a headless Service say so', slices, failures);
}

function report(good: boolean, what: string, said: string, failures: string[]): void {
  console.log(`${good ? 'ok  ' : 'FAIL'} ${what}${good ? '' : `: ${said.trim().slice(0, 300)}`}`);
  if (!good) failures.push(what);
}

function safely(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { House } from '../machine/house.ts';
import { ControlPlane } from '../mesh/control-plane.ts';
import type { SidecarOrder } from '../mesh/child.ts';
import type { MakeProxy, Pair, PairOptions, Proxy } from './proxy.ts';
import { USUAL_STREAMS } from './proxy.ts';
import { startPair } from './start-pair.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Our sidecars, bundled and with the options of their image; `plain` has a TLS connection for each stream. */
export function makeMesh(transport: SidecarOrder['transport']): MakeProxy {
  return async (house): Promise<Proxy> => {
    const bundle = await house.bundle('bench/dataplane/mesh/child.ts', 'child');
    const image = imageSettings(readFileSync(join(ROOT, 'Dockerfile.sidecar'), 'utf8'));
    const version = execFileSync(house.node, ['--version'], { encoding: 'utf8' }).trim();
    return {
      name: transport === 'plain' ? 'mesh-plain' : 'mesh',
      kind: 'ours',
      version: `Node ${version}, ${image.NODE_OPTIONS}`,
      threads: 'one (Node)',
      start: (wanted) => start({ house, bundle, image, transport }, wanted),
    };
  };
}

/** What decides how Node and the C library use memory. */
type ImageSettings = Readonly<Record<'NODE_OPTIONS' | 'MALLOC_ARENA_MAX', string>>;

/**
 * What the image sets, so that the benchmark can never run with anything else.
 *
 * @param dockerfile its text
 */
export function imageSettings(dockerfile: string): ImageSettings {
  const of = (name: keyof ImageSettings): string => {
    const [, quoted, plain] = new RegExp(`\\b${name}=(?:"([^"]*)"|(\\S+))`).exec(dockerfile) ?? [];
    const value = quoted ?? plain;
    if (value === undefined) throw new Error(`Dockerfile.sidecar sets no ${name} any more`);
    return value;
  };
  return { NODE_OPTIONS: of('NODE_OPTIONS'), MALLOC_ARENA_MAX: of('MALLOC_ARENA_MAX') };
}

interface Sidecars {
  readonly house: House;
  readonly bundle: string;
  readonly image: ImageSettings;
  readonly transport: SidecarOrder['transport'];
}

async function start({ house, bundle, image, transport }: Sidecars, wanted: PairOptions): Promise<Pair> {
  const control = await ControlPlane.start(wanted.backend);
  const { streams = USUAL_STREAMS } = wanted;
  const command = (
    service: 'web' | 'db',
    ports: Pick<SidecarOrder, 'inboundPort' | 'peerPort'>,
    more: Readonly<Record<string, string>>,
  ) => {
    const order: SidecarOrder = {
      api: control.apiUrl,
      apiCaPem: control.apiCaPem,
      transport,
      ...ports,
      ...(streams > USUAL_STREAMS ? { maxConnections: streams + 100 } : {}),
    };
    return {
      title: `mesh (${service})`,
      program: house.node,
      args: [bundle],
      env: {
        ...environment(house, service),
        MESH_OPERATOR_URL: control.operatorUrl(service),
        ...image,
        ...(streams > USUAL_STREAMS ? { NODE_OPTIONS: withLargerHeap(image.NODE_OPTIONS) } : {}),
        MESH_BENCH_ORDER: JSON.stringify(order),
        ...more,
      },
    };
  };
  const pair = await startPair(
    house,
    {
      server: (listen) => command('db', { inboundPort: listen, peerPort: listen }, { POD_IPS: '127.0.0.1' }),
      client: (listen, peer) =>
        command(
          'web',
          { inboundPort: 0, peerPort: peer },
          // Another address than db's, which would not be reached through the mesh from its own pod.
          { POD_IPS: '127.0.0.2', MESH_UPSTREAMS: `db:${listen}` },
        ),
    },
    wanted,
  );
  return { ...pair, stop: () => pair.stop().finally(() => control.stop()) };
}

function withLargerHeap(options: string): string {
  return options.replace(/(--max-old-space-size)=\d+/, '$1=512');
}

function environment(house: House, service: string): Readonly<Record<string, string>> {
  return {
    NODE_ENV: 'production',
    NODE_COMPILE_CACHE: join(house.cache, 'node-compile-cache'),
    MESH_SERVICE: service,
    POD_NAME: `${service}-1`,
    POD_NAMESPACE: 'shop',
    POD_UID: `uid-${service}`,
    POD_SERVICE_ACCOUNT: service,
    MESH_NAMESPACE: 'mesh-system',
    MESH_TRUST_DOMAIN: 'cluster.local',
    MESH_TRANSPARENT: 'false',
    MESH_CA_TOKEN_FILE: house.file('token', 'a-token'),
  };
}

import { meshSettings } from '#core/model/mesh-settings.ts';
import type { MeshConfig, MeshConfigSpec, MeshConfigStatus } from '#core/model/mesh-config.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import type { FakeClock } from '#base/testing/clock.fake.ts';
import { silentLog } from '#base/log.ts';
import { MESH_CONFIGS, SECRETS } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { Authority } from '../../ca/authority.ts';
import { BuiltinProvider } from '../../ca/builtin-provider.ts';
import type { RootSlots } from '../../ca/root-slots.ts';
import { rootSlots } from '../../ca/root-slots.ts';
import { RootSuccession } from '../../ca/succession.ts';
import { FakeCache } from '../../control-loop/cache.fake.ts';
import { Settings } from '../../config/settings.ts';
import { ControllerWorld, SCOPE } from '../controllers.fake.ts';
import { CaRotationController } from './controller.ts';
import type { SurveyResult } from './survey.ts';

const WHO = { namespace: namespaceName('shop'), service: serviceName('web') };
const LOOKS = 40;

/** One operator: its authority, its view of the MeshConfig, and the controller that it runs while it has the lease. */
export class Replica {
  readonly authority: Authority;
  readonly cache = new FakeCache<MeshConfig>();
  readonly controller: CaRotationController;
  readonly #world: RotationWorld;

  constructor(world: RotationWorld) {
    const { clock, fake, events, log } = world.base;
    const { api } = fake;
    this.#world = world;
    const settings = new Settings(world.spec, silentLog);
    this.cache.subscribe((changes) => {
      for (const { after } of changes) if (after) settings.take(after);
    });
    const parts = {
      ...{ api, clock, log: silentLog },
      namespace: 'mesh',
      trustDomain: SCOPE.trustDomain,
      newRoot: () => settings.ca,
      servingNames: ['mesh-operator.mesh.svc'],
    };
    const slots = world.slots(rootSlots(parts));
    this.authority = new Authority({
      ...{ clock, slots },
      provider: new BuiltinProvider({
        ...parts,
        publishedRoots: () => Promise.resolve(world.status.roots?.length ?? 0),
      }),
      settings: () => settings.current,
    });
    this.controller = new CaRotationController({
      ...{ api, clock, events, log, authority: this.authority },
      meshConfigs: this.cache,
      survey: { run: () => world.survey() },
      succession: new RootSuccession({
        ...{ api, clock, slots, authority: this.authority, scope: SCOPE },
        namespace: 'mesh',
        owner: undefined,
      }),
    });
  }

  /** Learns what the API server has. */
  async hear(): Promise<void> {
    this.#world.base.sync(MESH_CONFIGS, this.cache);
    await this.authority.follow(this.cache.get('mesh')?.status);
  }

  /** @returns a leaf as this replica signs it, and what it came with, PEM */
  async sign(): Promise<string> {
    const keys = await generateKeys();
    const leaf = await this.authority.signLeaf(WHO, {
      spki: spkiDer(keys.publicKey),
      csrPem: createCsr(keys),
    });
    return leaf.chainPem;
  }
}

/** A MeshConfig, two Secrets, and operators that come and go. */
export class RotationWorld {
  readonly base: ControllerWorld;
  /** What a new replica starts with. */
  spec: MeshConfigSpec;
  /** What sidecars say; one is silent, so that a rotation takes as long as it may, unless a test says otherwise. */
  survey: () => Promise<SurveyResult> = () =>
    Promise.resolve({ asked: 1, silent: ['shop/web-1'], answers: [] });
  /** Puts other authorities among the places. */
  slots: (builtin: RootSlots) => RootSlots = (builtin) => builtin;

  private constructor(base: ControllerWorld, spec: MeshConfigSpec) {
    this.base = base;
    this.spec = spec;
  }

  static async make(spec: MeshConfigSpec = { leafTTL: '1m' }): Promise<RotationWorld> {
    const base = await ControllerWorld.make();
    const world = new RotationWorld(base, spec);
    base.fake.put(MESH_CONFIGS, { metadata: { name: 'mesh' }, spec });
    const first = await world.replica();
    const { choice: authority } = first.authority;
    await world.patch({ status: { roots: first.authority.roots(), authority } });
    return world;
  }

  get clock(): FakeClock {
    return this.base.clock;
  }

  get status(): MeshConfigStatus {
    return this.base.fake.find(MESH_CONFIGS, { name: 'mesh' })?.status ?? {};
  }

  /** Names of the Secrets there are. */
  get secrets(): readonly string[] {
    return this.base.fake.objects(SECRETS).map(({ metadata }) => metadata.name);
  }

  get bundle(): TrustBundle {
    const pem = (this.status.roots ?? []).map((root) => root.pem).join('');
    return TrustBundle.of(meshSettings(this.spec).trustDomain, pem);
  }

  /** An operator that has just started. */
  async replica(): Promise<Replica> {
    const replica = new Replica(this);
    await replica.authority.start(undefined, this.status);
    await replica.hear();
    return replica;
  }

  async patch(patch: { readonly spec?: object; readonly status?: object }): Promise<void> {
    const options = patch.status ? ({ subresource: 'status' } as const) : {};
    await this.base.fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, patch, options);
    if (patch.spec) this.spec = this.base.fake.find(MESH_CONFIGS, { name: 'mesh' })?.spec ?? this.spec;
  }

  ask(request: string, mode?: string): Promise<void> {
    return this.patch({ spec: { ca: { rotation: { request, ...(mode ? { mode } : {}) } } } });
  }

  /**
   * Lets operators hear and act, and time pass, until nothing is left to do.
   *
   * @param operators asked before each look, so that they can be replaced
   * @param seen called after each look
   */
  async settle(
    operators: () => Promise<readonly Replica[]> | readonly Replica[],
    seen: (replicas: readonly Replica[]) => Promise<void> | void = () => undefined,
  ): Promise<void> {
    for (let look = 0; look < LOOKS; look++) {
      const replicas = await operators();
      for (const replica of replicas) await replica.hear();
      const before = JSON.stringify(this.status);
      const answers = await Promise.all(replicas.map((replica) => this.#reconcile(replica)));
      for (const replica of replicas) await replica.hear();
      await seen(replicas);
      const failed = answers.includes('failed');
      if (failed || JSON.stringify(this.status) !== before) continue;
      if (!this.status.rotation) return;
      const [answer] = answers;
      await this.clock.advance((typeof answer === 'object' && answer.requeueAfterMs) || 0);
    }
    throw new Error(`still not settled: ${JSON.stringify(this.status.rotation)}`);
  }

  /** As the queue does it: what fails is done again. */
  async #reconcile({ controller }: Replica): Promise<Requeue | void | 'failed'> {
    let ended = false;
    const done = controller
      .reconcile('mesh', new AbortController().signal)
      .catch((): 'failed' => 'failed')
      .finally(() => (ended = true));
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      // What waits within a look, such as for an API server that is busy, waits no longer than a moment.
      if (!ended) await this.clock.advance(10);
    }
    return done;
  }
}

/** Why a bundle does not trust a chain; undefined when it does. */
export function beliefFault(bundle: TrustBundle, chainPem: string, now: number): string | undefined {
  const [leaf, ...intermediates] = readCertificates(chainPem);
  return bundle.fault(leaf!, SCOPE.trustDomain, { now, intermediates });
}

import type { MeshConfig, RootStatus } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { silentLog } from '#base/log.ts';
import { readCertificates } from '#pki/pem.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';
import { SigningWorld, boundToken } from '#operator/signing/signing-world.fake.ts';
import type { SigningService } from '#operator/signing/signing-service.ts';
import { IdentityManager } from '#sidecar/sources/identity/identity-manager.ts';
import { SigningError } from '#sidecar/sources/identity/signing-client.ts';
import { FakeTrust } from '#sidecar/sources/trust/trust.fake.ts';

/**
 * A thousand sidecars, whose own logic decides when to ask, and the operator's signing with its own limits: every check, every
 * key and every signature is real. Only time and the network between them are not.
 */

const SIDECARS = 1000;
const WEB = { namespace: namespaceName('shop'), service: serviceName('web') };
const STEP_MS = 50;

/** What one operator would be asked in this mesh. */
class Crowd {
  readonly world: SigningWorld;
  readonly next: SigningWorld;
  readonly clock: FakeClock;
  readonly trust = new FakeTrust();
  readonly sidecars: IdentityManager[] = [];
  /** Answers other than a certificate, by code. */
  readonly refusals = new Map<string, number>();
  readonly #service: SigningService;
  readonly #leafTTL: string;
  #signs: SigningWorld;
  #underWay = 0;

  private constructor(world: SigningWorld, next: SigningWorld, leafTTL: string) {
    this.world = world;
    this.next = next;
    this.clock = world.clock;
    this.#signs = world;
    this.#leafTTL = leafTTL;
    this.#service = world.serviceWith({
      log: silentLog,
      authority: {
        signLeaf: (who, key) => this.#signs.authority.signLeaf(who, key),
        roots: () => this.#signs.authority.roots(),
        bundlePem: '',
      },
    });
  }

  /** @param addresses of so many pods each: a node whose network hides them is one address */
  static async make(leafTTL: string, podsOfAnAddress: number): Promise<Crowd> {
    const settings = meshSettings({ leafTTL });
    const clock = new FakeClock(Date.now());
    const options = { clock, settings };
    const crowd = new Crowd(await SigningWorld.create(options), await SigningWorld.create(options), leafTTL);
    crowd.publish(crowd.world);
    for (let index = 0; index < SIDECARS; index += 1) crowd.#add(index, Math.floor(index / podsOfAnAddress));
    return crowd;
  }

  /** Both roots are trusted; the one of `active` signs. */
  publish(active: SigningWorld): void {
    this.#signs = active;
    const roots = [this.world, this.next].flatMap((one): RootStatus[] =>
      one.authority.roots().map((root) => ({ ...root, active: one === active })),
    );
    const spec = { leafTTL: this.#leafTTL };
    this.trust.set({ metadata: { name: 'mesh' }, spec, status: { roots } } satisfies MeshConfig);
  }

  /** Lets time pass until everybody is as wanted; returns how long that took. */
  async until(wanted: (sidecar: IdentityManager) => boolean, withinMs: number): Promise<number> {
    const begun = this.clock.now();
    const had = new Set<IdentityManager>();
    while (!this.sidecars.every(wanted)) {
      if (this.clock.now() - begun > withinMs)
        throw new Error(
          `not within ${withinMs} ms: ${this.sidecars.filter((one) => !wanted(one)).length} are left`,
        );
      await this.pass(STEP_MS);
      for (const sidecar of this.sidecars)
        if (sidecar.state().valid) had.add(sidecar);
        else if (had.has(sidecar)) throw new Error('a certificate has ended before there was another');
    }
    return this.clock.now() - begun;
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    // An answer takes no time here.
    while (this.#underWay > 0) await new Promise((resolve) => setImmediate(resolve));
    await this.clock.advance(0);
  }

  /** Whether the leaf leads to this root. */
  isOf(world: SigningWorld): (sidecar: IdentityManager) => boolean {
    const { trustDomain } = meshSettings({});
    const bundle = TrustBundle.of(trustDomain, world.authority.bundlePem);
    const known = new Map<string, boolean>();
    const leads = (chainPem: string): boolean => {
      const [leaf] = readCertificates(chainPem);
      return leaf !== undefined && bundle.fault(leaf, trustDomain, { now: this.clock.now() }) === undefined;
    };
    return (sidecar) => {
      const chainPem = sidecar.state().svid?.certChainPem ?? '';
      const answer = known.get(chainPem) ?? leads(chainPem);
      known.set(chainPem, answer);
      return answer;
    };
  }

  #add(index: number, address: number): void {
    const name = `web-${index}`;
    const ip = `10.1.${address >> 8}.${address & 0xff}`;
    this.world.tokens.set(name, boundToken('web', name, name));
    this.world.putPod(name, name, {
      service: 'web',
      serviceAccount: 'web',
      bend: (pod) => ({ ...pod, status: { ...pod.status, podIP: ip, podIPs: [{ ip }] } }),
    });
    const sidecar = new IdentityManager({
      ...{ clock: this.clock, log: silentLog, trust: this.trust, service: WEB },
      sign: ({ csr, service }) => this.#ask(name, ip, JSON.stringify({ csr, service })),
    });
    this.sidecars.push(sidecar);
  }

  async #ask(token: string, ip: string, body: string): Promise<{ certificate: string }> {
    this.#underWay += 1;
    try {
      const answer = await this.#service.sign({
        sourceAddress: ip,
        authorization: `Bearer ${this.world.tokenOf(token)}`,
        body: () => Promise.resolve(Buffer.from(body)),
      });
      if (answer.status === 200) return answer.body as { certificate: string };
      const reason = String(answer.status);
      this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
      const retryAfterMs = Number(answer.headers['Retry-After']) * 1000;
      throw new SigningError(reason, JSON.stringify(answer.body), { retryAfterMs });
    } finally {
      this.#underWay -= 1;
    }
  }
}

const hasOne = (sidecar: IdentityManager): boolean => sidecar.state().valid;

test.each([
  ['leaves of a day, and nodes that hide two hundred pods each behind one address', '24h', 200, 75_000],
  ['leaves of a minute, and each pod with an address of its own', '1m', 1, 5_000],
])(
  'the active root changes: a thousand sidecars have new certificates in time, and none was without one: %s',
  async (_what, leafTTL, podsOfAnAddress, withinMs) => {
    const crowd = await Crowd.make(leafTTL, podsOfAnAddress);
    for (const [index, sidecar] of crowd.sidecars.entries()) {
      sidecar.start();
      if (index % 50 === 0) await crowd.pass(STEP_MS);
    }
    await crowd.until(hasOne, 30_000);
    crowd.refusals.clear();

    crowd.publish(crowd.next);
    await crowd.until(crowd.isOf(crowd.next), withinMs);
    const refused = [...crowd.refusals.values()].reduce((sum, count) => sum + count, 0);
    expect(refused).toBeLessThan(SIDECARS / 10);
    for (const sidecar of crowd.sidecars) sidecar.stop();
  },
  240_000,
);

import { LABELS } from '#core/constants.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import type { Pod, TokenReview } from '#kube/types.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys } from '#pki/keys.ts';

import { Authority } from '../ca/authority.ts';
import { oneSlot } from '../ca/root-slots.fake.ts';
import { BuiltinProvider } from '../ca/builtin-provider.ts';
import { StoreApi } from '../ca/store-api.fake.ts';
import { FakeEvents } from '../control-loop/events.fake.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { memberSpec } from '../resources/member.fake.ts';
import { SigningService } from './signing-service.ts';
import type { SignResponse, SigningDeps } from './signing-service.ts';

export const AUDIENCE = 'mesh-ca.cluster.local';
export const WEB_ADDRESS = '10.1.0.7';

/** What a token is good for, as the API server of the tests knows it. */
export interface KnownToken {
  readonly username: string;
  readonly groups?: readonly string[];
  readonly audiences?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface Attempt {
  readonly token?: string;
  readonly authorization?: string;
  readonly csr?: string;
  readonly service?: string;
  readonly sourceAddress?: string;
  /** Instead of the JSON of csr and service. */
  readonly body?: string | Uint8Array;
}

export interface SigningWorldOptions {
  readonly clock?: FakeClock;
  readonly settings?: MeshSettings;
}

/** An operator's signing in memory: an API server with pods, tokens and MeshServices, and an authority. */
export class SigningWorld {
  readonly store = new StoreApi();
  readonly clock: FakeClock;
  readonly log = new FakeLog();
  readonly events = new FakeEvents();
  readonly metrics = createMetrics();
  readonly tokens = new Map<string, KnownToken>();
  readonly authority: Authority;
  service: SigningService;

  private constructor({
    clock = new FakeClock(Date.now()),
    settings = meshSettings({}),
  }: SigningWorldOptions) {
    this.clock = clock;
    const { store, log } = this;
    const provider = new BuiltinProvider({
      api: store.api,
      clock,
      log,
      namespace: 'mesh',
      trustDomain: settings.trustDomain,
    });
    this.authority = new Authority({ provider, slots: oneSlot(provider), clock, settings: () => settings });
    this.service = this.serviceWith({});
    store.answers.set('tokenreviews', (review) => this.#review(review as TokenReview));
  }

  /** With pod shop/web-1 (ServiceAccount and service web), its token "web-token", and MeshServices web and db. */
  static async create(options: SigningWorldOptions = {}): Promise<SigningWorld> {
    const world = new SigningWorld(options);
    await world.authority.start();
    world.putPod('web-1', 'web-uid', { service: 'web', serviceAccount: 'web' });
    world.tokens.set('web-token', boundToken('web', 'web-1', 'web-uid'));
    world.putService('web', ['web']);
    world.putService('db', ['db']);
    world.store.calls.length = 0;
    world.log.lines.length = 0;
    return world;
  }

  serviceWith(parts: Partial<SigningDeps>): SigningService {
    return new SigningService({
      api: this.store.api,
      clock: this.clock,
      log: this.log,
      events: this.events,
      metrics: this.metrics.metrics,
      authority: this.authority,
      settings: () => meshSettings({}),
      meshNamespace: 'mesh',
      ...parts,
    });
  }

  putPod(
    name: string,
    uid: string,
    options: { service: string; serviceAccount: string; bend?: (pod: Pod) => Pod },
  ): void {
    const pod = {
      metadata: {
        name,
        namespace: 'shop',
        uid,
        labels: { [LABELS.service]: options.service, [LABELS.injected]: 'native' },
      },
      spec: memberSpec(options.service, options.serviceAccount),
      status: { phase: 'Pending', podIP: WEB_ADDRESS, podIPs: [{ ip: WEB_ADDRESS }, { ip: 'fd00::7' }] },
    } as unknown as Pod;
    this.store.put('pods', options.bend ? options.bend(pod) : pod);
  }

  putService(name: string, serviceAccounts: readonly string[] | undefined, namespace = 'shop'): void {
    const service: MeshService = {
      metadata: { name, namespace },
      spec: serviceAccounts ? { serviceAccounts: [...serviceAccounts] } : {},
    };
    this.store.put('meshservices', service);
  }

  /** Asks for a certificate; whatever the attempt does not say is right. */
  async ask(attempt: Attempt = {}): Promise<SignResponse> {
    const csr = attempt.csr ?? createCsr(await generateKeys());
    const json = JSON.stringify({
      csr,
      ...(attempt.service === undefined ? {} : { service: attempt.service }),
    });
    const body = attempt.body ?? json;
    return this.service.sign({
      sourceAddress: attempt.sourceAddress ?? WEB_ADDRESS,
      authorization: attempt.authorization ?? `Bearer ${this.tokenOf(attempt.token ?? 'web-token')}`,
      body: () => Promise.resolve(typeof body === 'string' ? Buffer.from(body) : body),
    });
  }

  /** A token whose unchecked claims are all right, whatever the API server knows about it. */
  tokenOf(secret: string): string {
    return tokenText(secret, this.clock.now());
  }

  /** The exact reason of the last refusal, as the log has it. */
  get lastReason(): unknown {
    return this.log.lines.findLast(({ fields }) => 'reason' in fields)?.fields['reason'];
  }

  /** Everything anybody could read of what was done. */
  get said(): string {
    return JSON.stringify(this.log.lines) + JSON.stringify(this.events.told);
  }

  /** Like the API server: audiences are those the token and the question have in common. */
  #review(review: TokenReview): TokenReview {
    const known = this.tokens.get((review.spec.token ?? '').split('.').at(-1) ?? '');
    const asked = review.spec.audiences ?? [];
    const audiences = (known?.audiences ?? [AUDIENCE]).filter((audience) => asked.includes(audience));
    if (!known || audiences.length === 0) {
      return {
        ...review,
        status: {
          authenticated: false,
          error: known ? 'token audiences are invalid' : 'invalid bearer token',
        },
      };
    }
    const { username, groups = ['system:serviceaccounts', 'system:authenticated'], extra } = known;
    const user = { username, groups, ...(extra ? { extra } : {}) };
    return { ...review, status: { authenticated: true, audiences, user } };
  }
}

/**
 * A token in the form of a pod's, shop/web-1; nothing in these tests signs it.
 *
 * @param secret stands where the signature does
 * @param claims instead of those of a right token
 */
export function tokenText(secret: string, now: number, claims: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const payload = {
    aud: [AUDIENCE],
    exp: Math.floor(now / 1000) + 3_600,
    sub: 'system:serviceaccount:shop:web',
    'kubernetes.io': {
      namespace: 'shop',
      pod: { name: 'web-1', uid: 'web-uid' },
      serviceaccount: { name: 'web', uid: 'account-uid' },
    },
    ...claims,
  };
  return `${part({ alg: 'RS256', kid: 'k' })}.${part(payload)}.${secret}`;
}

/** What the API server knows of a projected token of a pod in namespace shop. */
export function boundToken(serviceAccount: string, pod: string, uid: string): KnownToken {
  return {
    username: `system:serviceaccount:shop:${serviceAccount}`,
    extra: {
      'authentication.kubernetes.io/pod-name': [pod],
      'authentication.kubernetes.io/pod-uid': [uid],
      'authentication.kubernetes.io/credential-id': ['JTI=1'],
    },
  };
}

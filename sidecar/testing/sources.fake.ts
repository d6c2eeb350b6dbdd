import { randomBytes } from 'node:crypto';

import { NO_POLICY_DECISION } from '#core/policy/policy.ts';
import type { Decision } from '#core/policy/policy.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';
import type { Svid } from '#pki/svid.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

import type { IdentitySnapshot, IdentitySource } from '../dataplane/interfaces/identity-source.ts';
import type { OwnService } from '../dataplane/interfaces/own-service.ts';
import type { PolicySource } from '../dataplane/interfaces/policy-source.ts';
import type { Endpoint, Resolution, Resolver, Target } from '../dataplane/interfaces/resolver.ts';

/** Something that others listen to. */
class Changing {
  readonly #listeners = new Set<() => void>();

  /** Listeners that have not gone: none may be left when everything is stopped. */
  get listeners(): number {
    return this.#listeners.size;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  protected changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

export class FakeIdentity extends Changing implements IdentitySource {
  #snapshot: IdentitySnapshot | undefined;

  constructor(svid?: Svid, bundle?: TrustBundle) {
    super();
    if (svid && bundle) this.#snapshot = { svid, bundle, version: 1 };
  }

  current(): IdentitySnapshot | undefined {
    return this.#snapshot;
  }

  set(change: { readonly svid?: Svid; readonly bundle?: TrustBundle }): void {
    const svid = change.svid ?? this.#snapshot?.svid;
    const bundle = change.bundle ?? this.#snapshot?.bundle;
    if (!svid || !bundle) throw new Error('the first change needs both');
    this.#snapshot = { svid, bundle, version: (this.#snapshot?.version ?? 0) + 1 };
    this.changed();
  }
}

/** Allows everybody, until told otherwise. */
export class FakePolicy extends Changing implements PolicySource {
  #decide: (source: SpiffeId) => Decision['action'] = () => 'allow';
  #read = true;

  decide(source: SpiffeId, _now: number): Decision {
    if (!this.#read) return NO_POLICY_DECISION;
    return { action: this.#decide(source), reason: 'default', outranked: [] };
  }

  allow(): void {
    this.decideBy(() => 'allow');
  }

  deny(): void {
    this.decideBy(() => 'deny');
  }

  decideBy(decide: (source: SpiffeId) => Decision['action']): void {
    this.#decide = decide;
    this.changed();
  }

  /** As before the rules were read. */
  unread(): void {
    this.#read = false;
    this.changed();
  }
}

export class FakeOwnService extends Changing implements OwnService {
  readonly identity: ServiceIdentity;
  #ports: readonly number[];
  #mtls: 'strict' | 'permissive' = 'strict';

  constructor(who: { readonly namespace: string; readonly service: string }, ports: readonly number[]) {
    super();
    this.identity = identityOf(who);
    this.#ports = ports;
  }

  declaredPorts(): ReadonlySet<number> {
    return new Set(this.#ports);
  }

  defaultPort(): number | undefined {
    return this.#ports[0];
  }

  mtls(): 'strict' | 'permissive' {
    return this.#mtls;
  }

  set(change: { readonly ports?: readonly number[]; readonly mtls?: 'strict' | 'permissive' }): void {
    this.#ports = change.ports ?? this.#ports;
    this.#mtls = change.mtls ?? this.#mtls;
    this.changed();
  }
}

/** A service with the endpoints a test gives it. Counts how often it was handed out and given back. */
export class FakeTarget extends Changing implements Target {
  readonly service: ServiceIdentity;
  readonly spiffeId: SpiffeId;
  held = 0;
  #endpoints: readonly Endpoint[];

  constructor(
    who: { readonly namespace: string; readonly service: string },
    spiffeId: SpiffeId,
    endpoints: readonly Endpoint[],
  ) {
    super();
    this.service = identityOf(who);
    this.spiffeId = spiffeId;
    this.#endpoints = endpoints;
  }

  endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  set(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    this.changed();
  }

  release(): void {
    this.held -= 1;
  }
}

/** Knows what a test tells it; everything else is outside. */
export class FakeResolver implements Resolver {
  readonly byAddress = new Map<string, FakeTarget>();
  readonly byName = new Map<string, FakeTarget>();
  /** Instead of `outside`. */
  otherwise: Resolution = { kind: 'outside' };

  resolve(address: string, port: number): Promise<Resolution> {
    return Promise.resolve(hold(this.byAddress.get(`${address}:${port}`)) ?? this.otherwise);
  }

  upstream({ namespace, service }: ServiceIdentity): Promise<Resolution> {
    const target = hold(this.byName.get(`${namespace}/${service}`));
    return Promise.resolve(target ?? { kind: 'unknown', reason: 'no such MeshService' });
  }
}

function hold(target: FakeTarget | undefined): Resolution | undefined {
  if (!target) return undefined;
  target.held += 1;
  return { kind: 'mesh', target };
}

function identityOf(who: { readonly namespace: string; readonly service: string }): ServiceIdentity {
  return { namespace: namespaceName(who.namespace), service: serviceName(who.service) };
}

/** Bytes that do not compress or repeat. */
export function noise(bytes: number): Buffer {
  return randomBytes(bytes);
}

import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import { Backoff } from '#base/backoff.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { Pod } from '#kube/types.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControlTarget } from '../../sidecar-commands/control-client.ts';
import type { Events } from '../../control-loop/events.ts';
import { isRegistration, isTerminal, podAddresses, podService, sidecarPort } from '../../resources/pod.ts';

export interface RegistrationProofsDeps {
  readonly pods: ObjectCache<Pod>;
  readonly scope: IdentityScope;
  /** Speaks to a sidecar under mutual TLS; rejects when nobody with the identity that is expected answers there. */
  readonly ask: (target: ControlTarget) => Promise<object>;
  readonly isReserved: (address: string) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
}

/** A claim that an earlier leader published holds on until so many handshakes have failed. */
const DISPROVEN_AFTER = 5;
/** Handshakes under way at the same time. */
const AT_ONCE = 8;
const RETRY = { baseMs: 500, capMs: 60_000 };

interface Attempt {
  /** What was claimed; another claim needs another proof. */
  readonly claim: string;
  readonly backoff: Backoff;
  proven: boolean;
  timer?: Timer;
}

/**
 * Which processes outside of pods are where their registrations say. Whoever registers one writes its address himself, so it
 * counts only once a sidecar has shown the service's certificate there, and when it is not an address of the cluster's own.
 */
export class RegistrationProofs {
  readonly #deps: RegistrationProofsDeps;
  readonly #attempts = new Map<string, Attempt>();
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;
  #onChange: (registration: Pod) => void = () => undefined;
  #wasPublished: (registration: Pod) => boolean = () => false;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: RegistrationProofsDeps) {
    this.#deps = deps;
  }

  /** Whether a registration's claim, as it is now, is proven. */
  isProven(pod: Pod): boolean {
    const attempt = this.#attempts.get(pod.metadata.uid ?? '');
    return attempt?.proven === true && attempt.claim === claimOf(pod);
  }

  /**
   * Begins.
   *
   * @param wasPublished whether an earlier leader found a claim proven, so that a change of leader takes nobody's address away
   * @param onChange called when a claim was proven, or can be held up no longer
   */
  start(wasPublished: (registration: Pod) => boolean, onChange: (registration: Pod) => void): void {
    const { pods } = this.#deps;
    this.#onChange = onChange;
    this.#wasPublished = wasPublished;
    for (const pod of pods.all()) this.#look(pod);
    this.#wasPublished = () => false;
    this.#unsubscribe = pods.subscribe((changes) => {
      for (const { before, after } of changes) {
        if (after) this.#look(after);
        else if (before) this.#forget(before.metadata.uid ?? '');
      }
    });
  }

  stop(): void {
    this.#unsubscribe();
    for (const uid of [...this.#attempts.keys()]) this.#forget(uid);
    this.#waiting.length = 0;
  }

  #look(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    if (!isRegistration(pod) || isTerminal(pod)) return;
    const claim = claimOf(pod);
    if (this.#attempts.get(uid)?.claim === claim) return;
    this.#forget(uid);
    if (claim === undefined) return;
    const attempt: Attempt = {
      claim,
      backoff: new Backoff(RETRY),
      proven: this.#wasPublished(pod),
    };
    this.#attempts.set(uid, attempt);
    this.#queue(pod, attempt);
  }

  #forget(uid: string): void {
    this.#attempts.get(uid)?.timer?.cancel();
    this.#attempts.delete(uid);
  }

  #queue(pod: Pod, attempt: Attempt): void {
    this.#waiting.push(() => this.#prove(pod, attempt));
    this.#work();
  }

  #work(): void {
    while (this.#running < AT_ONCE) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#running += 1;
      void next().finally(() => {
        this.#running -= 1;
        this.#work();
      });
    }
  }

  async #prove(pod: Pod, attempt: Attempt): Promise<void> {
    const { clock, log, ask, isReserved } = this.#deps;
    const uid = pod.metadata.uid ?? '';
    const isCurrent = (): boolean => this.#attempts.get(uid) === attempt;
    if (!isCurrent()) return;
    try {
      for (const ip of podAddresses(pod)) if (await isReserved(ip)) return this.#refuse(pod, attempt, ip);
      for (const target of this.#targets(pod)) await ask(target);
    } catch (err) {
      if (!isCurrent()) return;
      const retryInMs = Math.round(attempt.backoff.next());
      log.debug(
        { err, pod: pod.metadata.name, namespace: pod.metadata.namespace, retryInMs },
        'a registration is not proven yet',
      );
      if (attempt.proven && attempt.backoff.attempts >= DISPROVEN_AFTER) {
        attempt.proven = false;
        this.#onChange(pod);
      }
      attempt.timer = clock.setTimeout(() => this.#queue(pod, attempt), retryInMs);
      return;
    }
    if (!isCurrent()) return;
    attempt.proven = true;
    this.#onChange(pod);
  }

  #refuse(pod: Pod, attempt: Attempt, ip: string): void {
    if (attempt.proven) {
      attempt.proven = false;
      this.#onChange(pod);
    }
    const { events, log } = this.#deps;
    const { namespace, name } = pod.metadata;
    log.warn(
      { namespace, pod: name, ip, reason: 'reserved-address' },
      'a registration claims an address of the cluster',
    );
    events.emit({
      about: { apiVersion: 'v1', kind: 'Pod', metadata: pod.metadata },
      type: 'Warning',
      reason: 'AddressRefused',
      message: `${ip} is the address of a node, a Service or the API server, so no process outside of the cluster can be there; it is found by its Service's name only`,
    });
  }

  #targets(pod: Pod): readonly ControlTarget[] {
    const service = podService(pod);
    if (service === undefined) throw new Error('it names no service');
    const who = { namespace: namespaceName(pod.metadata.namespace ?? ''), service: serviceName(service) };
    const spiffeId = serviceSpiffeId(this.#deps.scope, who);
    const port = sidecarPort(pod);
    return podAddresses(pod).map((ip) => ({ ip, spiffeId, ...(port === undefined ? {} : { port }) }));
  }
}

/** Where a registration says that its sidecar is; undefined before it says so. */
function claimOf(pod: Pod): string | undefined {
  const port = sidecarPort(pod);
  const addresses = podAddresses(pod);
  return port === undefined || addresses.length === 0
    ? undefined
    : `${addresses.join(' ')} ${port} ${podService(pod) ?? ''}`;
}

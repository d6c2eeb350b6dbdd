import { explainDecision } from '#core/policy/policy.ts';
import type { Decision } from '#core/policy/policy.ts';
import type { Clock } from '#base/clock.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { IdentitySource } from '../interfaces/identity-source.ts';
import type { OwnService } from '../interfaces/own-service.ts';
import type { PolicySource } from '../interfaces/policy-source.ts';

export interface GatekeeperDeps {
  readonly identity: IdentitySource;
  readonly policy: PolicySource;
  readonly own: OwnService;
  readonly clock: Clock;
  /** The sidecar's own ports: never the application's, whatever is declared. */
  readonly reservedPorts: ReadonlySet<number>;
}

/** Says who may reach which port of the application, at this moment: asked at first, and again after every change. */
export class Gatekeeper {
  readonly #deps: GatekeeperDeps;

  constructor(deps: GatekeeperDeps) {
    this.#deps = deps;
  }

  /**
   * Whether an admitted peer may use a port now. The rules are asked before the port, so that only those who are let in learn
   * which ports exist.
   *
   * @param peerTime the time by which its certificate is judged, where that is another
   * @returns why not; undefined when it may
   */
  fault(peer: AdmittedPeer, port: number, now: number, peerTime = now): ConnectionRefusal | undefined {
    const { identity, policy, own, reservedPorts } = this.#deps;
    const snapshot = identity.current();
    if (!snapshot) return new ConnectionRefusal('not-ready', 'this sidecar has no certificate yet');
    const untrusted = peer.fault(snapshot.bundle, peerTime);
    if (untrusted) return untrusted;
    const decision = policy.decide(peer.id, now);
    if (decision.action !== 'allow') return denied(decision);
    if (!own.declaredPorts().has(port) || reservedPorts.has(port)) {
      return new ConnectionRefusal(
        'port-not-declared',
        `${this.#name()} does not offer port ${port}${this.#offered()}`,
      );
    }
    return undefined;
  }

  /** Whether plaintext may reach a port of the application now; only a permissive service takes it. */
  cleartextFault(port: number): ConnectionRefusal | undefined {
    if (this.#deps.own.mtls() !== 'permissive') {
      return new ConnectionRefusal('plaintext', `${this.#name()} takes mutual TLS only (mtls: strict)`);
    }
    if (this.#deps.reservedPorts.has(port)) {
      return new ConnectionRefusal('port-not-declared', `port ${port} is the sidecar's own`);
    }
    return undefined;
  }

  #name(): string {
    const { namespace, service } = this.#deps.own.identity;
    return `${namespace}/${service}`;
  }

  #offered(): string {
    const ports = [...this.#deps.own.declaredPorts()].slice(0, 8);
    return ports.length === 0
      ? '; it declares no port: give it a Service or spec.ports in its MeshService'
      : `; declared: ${ports.join(', ')}`;
  }
}

function denied(decision: Decision): ConnectionRefusal {
  const { rule } = decision;
  return new ConnectionRefusal(
    'denied',
    explainDecision(decision),
    rule ? { rule: rule.ref.key } : { rule: 'default' },
  );
}

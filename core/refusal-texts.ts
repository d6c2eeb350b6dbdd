import type { Reason } from './refusals.ts';

/** What people are told about a reason. */
interface RefusalText {
  /** One sentence. */
  readonly meaning: string;
  /** Whose log and metrics have it. */
  readonly seenBy: string;
  /** What to do; one sentence or two. */
  readonly action: string;
}

const BOTH = 'the sidecar that refuses, and the caller';
const DESTINATION = "the destination's sidecar; the caller finds its connection reset";
const CALLER = "the caller's sidecar";
const EITHER = 'the sidecar that made the handshake and judged the other, on either side';

/**
 * Every reason, for people. Apart from the table because no program has it in it: `docs/reference/refusals.md` is made of it, where
 * the heading of a reason is its anchor.
 */
export const REFUSAL_TEXTS: Readonly<Record<Reason, RefusalText>> = {
  denied: {
    meaning: 'No intention allows the caller to reach this service, or one denies it.',
    seenBy: BOTH,
    action:
      'The line of the destination names the intention that decided, or `default`, in the field `rule`. If the call is wanted, apply an [intention](../intentions.md) that allows it.',
  },
  plaintext: {
    meaning: 'The caller speaks no TLS, and the service takes mutual TLS only.',
    seenBy: DESTINATION,
    action:
      "Bring the caller into the mesh with the annotation `mesh/inject`, or set the MeshService's `mtls: permissive` while you migrate.",
  },
  'no-client-certificate': {
    meaning: 'The other side speaks TLS and shows no certificate.',
    seenBy: EITHER,
    action:
      'Bring the caller into the mesh; a program outside of it must show a certificate of a trusted root.',
  },
  'untrusted-certificate': {
    meaning:
      'The certificate of the other side leads to no root that is trusted, or breaks a rule of X509-SVID.',
    seenBy: `${EITHER}; in a tunnel both`,
    action:
      'The line says what is wrong ([what is required](certificates.md#what-is-accepted-from-others)). During a change of the root, see [rotation](../rotation.md); for another trust domain, look at its bundle ([federation](../federation.md)).',
  },
  'expired-certificate': {
    meaning: 'The certificate of the other side has expired.',
    seenBy: `${EITHER}; in a tunnel both`,
    action:
      "Look in the log of the other pod's sidecar why it was not renewed, and compare the [clocks](../operations.md#clocks) of both nodes.",
  },
  'not-yet-valid-certificate': {
    meaning: 'The certificate of the other side begins in the future.',
    seenBy: EITHER,
    action:
      'Set the [clocks](../operations.md#clocks) right: of this node, of the other one, and of the operator.',
  },
  'not-a-mesh-identity': {
    meaning: 'The certificate is trusted and does not name exactly one workload.',
    seenBy: EITHER,
    action: 'Give the other side a certificate with one URI that is the SPIFFE ID of a workload.',
  },
  'wrong-identity': {
    meaning:
      'What answers at the address of a pod proved to be another service than the one that was called.',
    seenBy: CALLER,
    action:
      'It passes by itself where the address has just gone to another pod. Where it stays, find out which pod has this address, and what the CatalogEntry of the service says.',
  },
  'session-resumed': {
    meaning: 'The other side resumed a TLS session, so its certificate was not checked again.',
    seenBy: EITHER,
    action: 'Turn session resumption off in the program that calls; sidecars never resume.',
  },
  'handshake-failed': {
    meaning: 'The TLS handshake did not succeed.',
    seenBy: EITHER,
    action:
      'The line has the words of the TLS library. Mutual TLS 1.3 is required; a caller that closes during the handshake often does not trust this side.',
  },
  'handshake-timeout': {
    meaning: 'The TLS handshake did not end in time.',
    seenBy: EITHER,
    action:
      'Look for a node without processor time, lost packets, or a client that connects and says nothing.',
  },
  'bad-header': {
    meaning:
      'The other side was let in and then sent something that is not the header of a stream, or not a command.',
    seenBy: DESTINATION,
    action:
      'Compare the versions of both sides; only sidecars and the operator of neighbouring versions work together.',
  },
  'header-timeout': {
    meaning: 'The other side was let in and did not say in time what it wants.',
    seenBy: DESTINATION,
    action: 'Look at the load of the calling pod and at the network between the two.',
  },
  'port-not-declared': {
    meaning: 'The service does not offer this port.',
    seenBy: BOTH,
    action: "Declare the port in a Kubernetes Service of that name, or in the MeshService's `spec.ports`.",
  },
  'app-unreachable': {
    meaning: 'The application does not answer on its port.',
    seenBy: BOTH,
    action: 'See that it runs, listens on this port, and listens on the address of the pod or on loopback.',
  },
  draining: {
    meaning: 'The pod is shutting down.',
    seenBy: BOTH,
    action:
      'Nothing: callers go to another pod. A connection that is cut so was still open when the time of the pod was over; `terminationGracePeriodSeconds` gives it more.',
  },
  'not-ready': {
    meaning: 'A sidecar has no certificate yet, of the destination or of the caller.',
    seenBy: `${BOTH}; with callers refused it is on the level debug`,
    action:
      'It passes once the certificate is there. Where it stays, the log of that sidecar says why it gets none ([reasons](certificates.md#reasons)).',
  },
  limit: {
    meaning: 'There are too many connections, streams or bytes, in all or of this one side.',
    seenBy: BOTH,
    action:
      'The line says which limit it was ([memory](../operations.md#when-a-sidecar-refuses-or-resets-with-limit), [strangers](../operations.md#when-strangers-crowd-a-sidecar)).',
  },
  loop: {
    meaning: 'The connection leads back to the sidecar itself.',
    seenBy: CALLER,
    action: "Connect to the service or to the application's port, and not to a port of the sidecar.",
  },
  'unknown-destination': {
    meaning:
      'Nobody knows, or not in time, where the connection is to go; or cleartext came for an address that is not of this pod.',
    seenBy: CALLER,
    action:
      'The line names the address or the service and what is missing; see [what an address means](../operations.md#what-an-address-means).',
  },
  'no-endpoints': {
    meaning: 'The service has no ready pod.',
    seenBy: CALLER,
    action:
      'Look at the readiness of its pods: `kubectl get pods`, and the condition `Reachable` of its MeshService.',
  },
  unreachable: {
    meaning:
      'The sidecar of the destination, or a destination outside of the mesh, could not be reached, or was lost before it answered.',
    seenBy: CALLER,
    action: 'Look whether the pod is alive and whether a NetworkPolicy or firewall closes port 20000 of it.',
  },
  'bad-verdict': {
    meaning:
      'The sidecar of the destination closed the connection, or answered something that is not a verdict.',
    seenBy: CALLER,
    action:
      'Look at the log of that sidecar for what it refused at the same moment, and compare the versions of both.',
  },
  'verdict-timeout': {
    meaning: 'The sidecar of the destination did not say in time whether it takes the stream.',
    seenBy: CALLER,
    action: 'Look whether its application accepts connections, and at the load of that pod.',
  },
  'not-the-operator': {
    meaning: 'Somebody who is not the operator of this mesh tried to send a command to the sidecar.',
    seenBy: DESTINATION,
    action: 'The line names who it was; find out why, since no workload has a reason to.',
  },
  'client-gone': {
    meaning: 'The caller closed its connection before it was let through.',
    seenBy: 'the sidecar that it had connected to, on the level debug',
    action: 'Nothing, unless it is frequent: then the caller has less patience than connecting takes.',
  },
  'app-reset': {
    meaning:
      'The application of the other side, or the connection to it, went away with a reset; also what peers hear of every refusal without a number.',
    seenBy: 'metrics of tunnels; no line in the log',
    action: 'Look at that application, and at the log of its sidecar.',
  },
  idle: {
    meaning:
      'Nothing moved for too long: in a connection of which one side had ended, or in a tunnel that carries no stream.',
    seenBy: 'metrics of tunnels; no line in the log',
    action: 'Nothing: the next connection opens another tunnel.',
  },
  cancelled: {
    meaning:
      'The application of the caller went away before its stream was accepted, or no answer came in time.',
    seenBy: 'metrics of tunnels; no line in the log',
    action: 'Nothing, unless it is frequent: then look why accepting takes so long.',
  },
  'protocol-error': {
    meaning:
      'The other side broke the [tunnel protocol](../tunnel.md), or sent far more frames without work than work.',
    seenBy: 'both ends of the tunnel',
    action:
      'Compare the versions of both sidecars; with equal versions it is a fault, or a peer that is not one of ours.',
  },
  'tunnel-lost': {
    meaning: 'The tunnel itself went away, and all its streams with it.',
    seenBy: 'both ends of the tunnel',
    action: 'Look whether the other pod or its node ended, and at the network between the two.',
  },
};

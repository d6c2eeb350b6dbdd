import type {
  ClosedConnection,
  ConnectionLabels,
  DataPlaneMetrics,
  Direction,
  ShedLimit,
  ShedPhase,
  ShedPort,
} from '../../dataplane/interfaces/data-plane-metrics.ts';
import type { Family } from './exposition.ts';
import { Counter, Histogram, peerLabel } from './instruments.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts what the data plane does, under the names of docs/reference/sidecar-metrics.md. */
export class DataPlaneCounters implements DataPlaneMetrics {
  readonly #opened = new Counter({
    name: 'mesh_connections_opened_total',
    labels: ['direction', 'security', 'peer'],
    help: 'Connections that were let through.',
  });
  readonly #open = new Counter(
    {
      name: 'mesh_connections_open',
      labels: ['direction', 'security'],
      help: 'Connections that carry bytes now.',
    },
    'gauge',
  );
  readonly #closed = new Counter({
    name: 'mesh_connections_closed_total',
    labels: ['direction', 'security', 'end'],
    help: 'Connections that ended, and how.',
  });
  readonly #refused = new Counter({
    name: 'mesh_connections_refused_total',
    labels: ['direction', 'reason'],
    help: 'Connections that were never let through.',
  });
  readonly #cut = new Counter({
    name: 'mesh_connections_cut_total',
    labels: ['direction', 'reason'],
    help: 'Open connections that were ended because they are allowed no longer.',
  });
  readonly #bytes = new Counter({
    name: 'mesh_bytes_total',
    labels: ['direction', 'security', 'peer', 'flow'],
    help: 'Bytes of applications in ended connections.',
  });
  readonly #handshakes = new Histogram(
    { name: 'mesh_handshake_seconds', labels: ['direction'], help: 'TLS handshakes with peers.' },
    SECONDS,
  );
  readonly #tunnels = new Counter(
    {
      name: 'mesh_tunnels_open',
      labels: ['direction'],
      help: 'Connections between sidecars that carry many streams and are open now.',
    },
    'gauge',
  );
  readonly #tunnelsClosed = new Counter({
    name: 'mesh_tunnels_closed_total',
    labels: ['direction', 'reason'],
    help: 'Connections between sidecars that carried many streams and ended, and why.',
  });
  readonly #dials = new Histogram(
    {
      name: 'mesh_dial_seconds',
      labels: ['attempts'],
      help: "From the application's connection to the peer's consent.",
    },
    SECONDS,
  );
  readonly #retries = new Counter({
    name: 'mesh_dial_retries_total',
    labels: ['reason'],
    help: 'Attempts to reach an endpoint that failed and were followed by another.',
  });
  readonly #ejections = new Counter({
    name: 'mesh_endpoint_ejections_total',
    labels: ['what'],
    help: 'Endpoints that were left alone because they failed, and those that came back.',
  });
  readonly #shed = shedCounter();
  readonly #acceptFailures = new Counter({
    name: 'mesh_accept_failures_total',
    labels: ['code'],
    help: 'Connections the kernel could not give us.',
  });

  families(): readonly Family[] {
    return [
      this.#opened,
      this.#open,
      this.#closed,
      this.#refused,
      this.#cut,
      this.#bytes,
      this.#handshakes,
      this.#tunnels,
      this.#tunnelsClosed,
      this.#dials,
      this.#retries,
      this.#ejections,
      this.#shed,
      this.#acceptFailures,
    ];
  }

  connectionOpened({ direction, security, peer }: ConnectionLabels): void {
    this.#opened.add({ direction, security, peer: peerLabel(peer) });
    this.#open.add({ direction, security });
  }

  connectionClosed({ direction, security, peer, end, bytesToServer, bytesToClient }: ClosedConnection): void {
    this.#open.add({ direction, security }, -1);
    this.#closed.add({ direction, security, end });
    const [received, sent] =
      direction === 'inbound' ? [bytesToServer, bytesToClient] : [bytesToClient, bytesToServer];
    const labels = { direction, security, peer: peerLabel(peer) };
    this.#bytes.add({ ...labels, flow: 'received' }, received);
    this.#bytes.add({ ...labels, flow: 'sent' }, sent);
  }

  connectionRefused(direction: Direction, reason: string): void {
    this.#refused.add({ direction, reason });
  }

  connectionCut(direction: Direction, reason: string): void {
    this.#cut.add({ direction, reason });
  }

  handshake(direction: Direction, milliseconds: number): void {
    this.#handshakes.observe(milliseconds / 1000, { direction });
  }

  tunnelOpened(direction: Direction): void {
    this.#tunnels.add({ direction });
  }

  tunnelClosed(direction: Direction, reason: string): void {
    this.#tunnels.add({ direction }, -1);
    this.#tunnelsClosed.add({ direction, reason });
  }

  dialed(milliseconds: number, attempts: number): void {
    this.#dials.observe(milliseconds / 1000, { attempts: attempts > 1 ? 'several' : 'one' });
  }

  retried(reason: string): void {
    this.#retries.add({ reason });
  }

  endpointEjected(): void {
    this.#ejections.add({ what: 'ejected' });
  }

  endpointRestored(): void {
    this.#ejections.add({ what: 'restored' });
  }

  shed(port: ShedPort, phase: ShedPhase, limit: ShedLimit): void {
    this.#shed.add({ port, phase, limit });
  }

  acceptFailed(code: string): void {
    this.#acceptFailures.add({ code });
  }
}

/** Connections that were closed, or not taken, because there are too many like them; of a sidecar's data path or of its admin ports. */
export function shedCounter(): Counter {
  return new Counter({
    name: 'mesh_connections_shed_total',
    labels: ['port', 'phase', 'limit'],
    help: 'Connections that were closed before their peer was admitted or their request answered, because too many waited.',
  });
}

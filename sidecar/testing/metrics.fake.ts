import type {
  ClosedConnection,
  ConnectionLabels,
  DataPlaneMetrics,
} from '../dataplane/interfaces/data-plane-metrics.ts';

/** Keeps everything that was counted. */
export class FakeMetrics implements DataPlaneMetrics {
  readonly opened: ConnectionLabels[] = [];
  readonly closed: ClosedConnection[] = [];
  readonly refused: string[] = [];
  readonly cut: string[] = [];
  readonly retries: string[] = [];
  readonly acceptFailures: string[] = [];
  readonly sheds: string[] = [];
  tunnelsOpened = 0;
  readonly tunnelsClosed: string[] = [];
  handshakes = 0;
  dials = 0;
  ejected = 0;
  restored = 0;

  connectionOpened(labels: ConnectionLabels): void {
    this.opened.push(labels);
  }

  connectionClosed(connection: ClosedConnection): void {
    this.closed.push(connection);
  }

  connectionRefused(_direction: string, reason: string): void {
    this.refused.push(reason);
  }

  connectionCut(_direction: string, reason: string): void {
    this.cut.push(reason);
  }

  handshake(): void {
    this.handshakes += 1;
  }

  tunnelOpened(): void {
    this.tunnelsOpened += 1;
  }

  tunnelClosed(_direction: string, reason: string): void {
    this.tunnelsClosed.push(reason);
  }

  dialed(): void {
    this.dials += 1;
  }

  retried(reason: string): void {
    this.retries.push(reason);
  }

  endpointEjected(): void {
    this.ejected += 1;
  }

  endpointRestored(): void {
    this.restored += 1;
  }

  shed(port: string, phase: string, limit: string): void {
    this.sheds.push(`${port} ${phase} ${limit}`);
  }

  acceptFailed(code: string): void {
    this.acceptFailures.push(code);
  }
}

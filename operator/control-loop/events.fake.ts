import type { Events, Occurrence } from './events.ts';

/** Collects what is told. */
export class FakeEvents implements Events {
  readonly told: Occurrence[] = [];

  emit(occurrence: Occurrence): void {
    this.told.push(occurrence);
  }
}

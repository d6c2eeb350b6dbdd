import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { rfc3339 } from '#base/times.ts';
import { CONFIG_MAPS } from '#kube/types.ts';
import type { ConfigMap } from '#kube/types.ts';
import type { Svid } from '#pki/svid.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import { ANCHORS_CONFIG_MAP, readAnchor, writeAnchor } from './anchor.ts';
import type { Anchor } from './anchor.ts';
import type { ChainEnd } from './chain.ts';

export interface AnchorKeeperDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'auditAnchorFault'>;
  /** The operator's own identity, as it is now. */
  readonly identity: () => Promise<Svid>;
  /** Why a file is not what an anchor says it was; undefined when it is. */
  readonly mismatch: (anchor: Anchor) => Promise<string | undefined>;
}

export interface AnchorKeeperOptions {
  readonly meshNamespace: string;
  /** Name of the file, without its folder. */
  readonly file: string;
}

/** Each write is an object that the API server keeps; what was written since the last one could be cut off without notice. */
const INTERVAL_MS = 60_000;
/** Files that are known; beyond that the oldest anchor goes. A file is a pod of the operator, and so many fit into a ConfigMap. */
const MAX_ANCHORS = 100;
const CLOSE_MS = 5_000;

/**
 * Keeps the anchor of one audit file. Before the first write of a process the file is compared with the anchor that is there: one that
 * is not what it was gets no new anchor, so that the old one goes on to show it.
 */
export class AnchorKeeper {
  readonly #deps: AnchorKeeperDeps;
  readonly #options: AnchorKeeperOptions;
  readonly #ending = new AbortController();
  #reached: ChainEnd | undefined;
  #anchored = 0;
  #isCompared = false;
  #work: Promise<void> | undefined;
  #fault: string | undefined;
  #mismatch: string | undefined;

  constructor(deps: AnchorKeeperDeps, options: AnchorKeeperOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Why the end of the file is not anchored, a sentence; undefined when it is, but for the last minute. */
  get fault(): string | undefined {
    return this.#mismatch ?? this.#fault;
  }

  /** The file ends there now, on the disk. Never throws, never waits. */
  reached(end: ChainEnd): void {
    this.#reached = end;
    if (this.#ending.signal.aborted || this.#mismatch !== undefined) return;
    this.#work ??= this.#keep().finally(() => (this.#work = undefined));
  }

  /** Anchors the end, where that does not take long. Idempotent. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    await this.#work;
    const late = this.#deps.clock.sleep(CLOSE_MS);
    if (this.#mismatch === undefined) await Promise.race([this.#anchor(), late]);
  }

  async #keep(): Promise<void> {
    while (this.#reached?.seq !== this.#anchored && this.#mismatch === undefined) {
      await this.#anchor();
      await this.#deps.clock.sleep(INTERVAL_MS, this.#ending.signal).catch(() => undefined);
      if (this.#ending.signal.aborted) return;
    }
  }

  /** Never rejects. */
  async #anchor(): Promise<void> {
    const { api, clock, identity } = this.#deps;
    const { meshNamespace: namespace, file } = this.#options;
    const end = this.#reached;
    if (!end || end.seq === this.#anchored) return;
    try {
      const kept = await api.get(CONFIG_MAPS, { namespace, name: ANCHORS_CONFIG_MAP });
      if (!(await this.#isWhole(kept))) return;
      const text = writeAnchor({ file, ...end, time: rfc3339(clock.now()) }, await identity());
      const data = { ...oldest(kept, file), [file]: text };
      await api.mergePatch(CONFIG_MAPS, { namespace, name: ANCHORS_CONFIG_MAP }, { data });
      this.#anchored = end.seq;
      this.#report(undefined);
    } catch (error) {
      this.#report(
        isNotFound(error)
          ? `ConfigMap ${namespace}/${ANCHORS_CONFIG_MAP} is missing: it is part of the chart; run helm upgrade`
          : (error as Error).message,
      );
    }
  }

  /** Whether the file is still what its anchor says; looked at once, since afterwards this process alone writes it. */
  async #isWhole({ data = {} }: ConfigMap): Promise<boolean> {
    const { log, metrics, mismatch } = this.#deps;
    const { file } = this.#options;
    if (this.#isCompared) return true;
    const before = data[file];
    const why = before === undefined ? undefined : await mismatchWith(before, mismatch);
    this.#isCompared = true;
    if (why === undefined) return true;
    this.#mismatch = `the audit file ${file} is not what it was: ${why}`;
    metrics.auditAnchorFault.set(1);
    log.error(
      { reason: 'audit-tampered', file, detail: why },
      'the audit file was cut off or changed while no process wrote it; its anchor stays as it is',
    );
    return false;
  }

  #report(fault: string | undefined): void {
    const { log, metrics } = this.#deps;
    metrics.auditAnchorFault.set(fault === undefined ? 0 : 1);
    if (fault === this.#fault) return;
    this.#fault = fault;
    if (fault === undefined) log.info({}, 'the audit file is anchored again');
    else log.error({ fault }, 'the audit file cannot be anchored; it is written all the same');
  }
}

async function mismatchWith(
  text: string,
  mismatch: AnchorKeeperDeps['mismatch'],
): Promise<string | undefined> {
  let anchor: Anchor;
  try {
    anchor = readAnchor(text);
  } catch (error) {
    return (error as Error).message;
  }
  return mismatch(anchor);
}

/** What goes to make room for one more, as a merge patch has it. */
function oldest({ data = {} }: ConfigMap, file: string): Readonly<Record<string, null>> {
  const others = Object.keys(data).filter((name) => name !== file);
  const timeOf = (name: string): string => {
    try {
      return readAnchor(data[name] ?? '').time;
    } catch {
      return '';
    }
  };
  const byTime = others.map((name) => [timeOf(name), name] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  const gone = byTime.slice(0, Math.max(0, others.length + 1 - MAX_ANCHORS));
  return Object.fromEntries(gone.map(([, name]) => [name, null]));
}

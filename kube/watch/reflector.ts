import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import type { KubeApi, ResourceType, Selection, WatchEvent } from '../api.ts';
import { Backoff } from '#base/backoff.ts';
import { ChangeNotifier } from './change-notifier.ts';
import type { OnChange } from './change-notifier.ts';
import type { Clock } from '#base/clock.ts';
import { Deadline } from '#base/deadline.ts';
import { KubeError, KubeUnreachableError, isGone } from '../errors.ts';
import { ItemRoom } from './item-limits.ts';
import type { ItemLimits } from './item-limits.ts';
import type { Logger } from '#base/log.ts';
import { Pager } from './pager.ts';
import { SilentWatchError, restartReason } from './reflector-failure.ts';
import type { RestartReason } from './reflector-failure.ts';

export interface ReflectorOptions<T extends KubeObject, Kept = T> {
  readonly api: Pick<KubeApi, 'list' | 'watch'>;
  readonly type: ResourceType<T>;
  readonly selection?: Selection;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Called after changes with all objects and the keys (`namespace/name`) that were added, changed or removed; a key that is
   * not in `items` was removed. Changes of one tick come in one call. Called once when first synced, even if there is nothing.
   * When it throws, the error is logged and the same keys come again with the next change, or after ten seconds.
   */
  readonly onChange?: OnChange<Kept>;
  /**
   * Maps an object to the compact form that is kept in memory. Default: the object without `managedFields`. It should not
   * throw; an object for which it does is logged and left out of `items`.
   */
  readonly transform?: (object: T) => Kept;
  /**
   * The longest wait while the first list is refused with 403, in milliseconds: for a process that knows that its access is
   * being granted right now. Default: as after any failure.
   */
  readonly forbiddenCapMs?: number;
  /** Objects per list request; default 500, fewer where they are large. */
  readonly pageSize?: number;
  /**
   * How much is kept. What is beyond is left out of `items` and counted; it comes in when there is room the next time that
   * everything is listed. Default: everything.
   */
  readonly limits?: ItemLimits;
  /** Uniform in [0, 1); for tests. */
  readonly random?: () => number;
}

export interface ReflectorStats {
  /** How often it had to list or watch again, by reason. */
  readonly restarts: Readonly<Partial<Record<RestartReason, number>>>;
  readonly lists: number;
  readonly events: number;
  /** Objects that were left out because of the limits since everything was listed last. */
  readonly leftOut: number;
  /** Whether a watch is under way (the server may not have answered yet); false while waiting to try again. */
  readonly watching: boolean;
  /** When the state was last known to be the server's (list, event or bookmark), as Unix time in milliseconds. */
  readonly lastSyncAt: number | undefined;
  /** When an object last changed. */
  readonly lastEventAt: number | undefined;
}

/** One object of a list that is new or changed; without `kept` it could not be read. */
interface Listed<Kept> {
  readonly version: string;
  readonly kept?: { readonly object: Kept };
}

/** After a refusal, or an answer that broke: the server may have more to do than it can. */
const REFUSED = { baseMs: 200, capMs: 30_000 };
/** While there is no server to reach: trying costs it nothing, and a rule made when it is back must not wait long. */
const UNREACHED = { baseMs: 200, capMs: 5_000 };
/** An outage is told when it begins, and then this often, milliseconds. */
const TELL_EVERY_MS = 120_000;
/** A watch that delivered and held this long was healthy: the next failure starts from the shortest wait. */
const HEALTHY_AFTER_MS = 10_000;
const PAGE_SIZE = 500;
const MAX_COUNTED = 10_000;
/** While objects are left out, everything is listed again at most this often, milliseconds. */
const LIST_AGAIN_AFTER_MS = 60_000;
const WATCH_SECONDS = { min: 240, max: 480 };
/**
 * Once a watch had a bookmark, one comes about every minute. Before the first, nothing can be concluded from silence: a server
 * that has seen no change of the resource since its own start sends none at all.
 */
const SILENCE_WITH_BOOKMARKS_MS = 150_000;
const SILENCE_GRACE_MS = 30_000;

/**
 * Holds a copy of all objects of a type (or a selection of them) and keeps it like the server's: lists in pages, then watches
 * with bookmarks. No failure ends it: it waits with jitter and tries again until `stop()`, and keeps the last state meanwhile.
 *
 *     const reflector = new Reflector({ api, type: PODS, clock, log, onChange: (pods, changed) => ... });
 *     reflector.start();
 *     await reflector.synced;
 *     reflector.items.get('shop/web-1');
 */
export class Reflector<T extends KubeObject, Kept = T> {
  /** Resolves when the first list is in `items` and `onChange` was called with it. Never rejects, and stays open if `stop` comes first. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T, Kept>;
  readonly #transform: (object: T) => Kept;
  readonly #random: () => number;
  readonly #refused: Backoff;
  readonly #unreached: Backoff;
  readonly #log: Logger;
  readonly #items = new Map<string, Kept>();
  /** resourceVersion by key: tells what changed while nobody watched. */
  readonly #versions = new Map<string, string>();
  readonly #pager: Pager<T>;
  #room: ItemRoom;
  readonly #leftOut = new Set<string>();
  readonly #notifier: ChangeNotifier<Kept>;
  readonly #stopping = new AbortController();
  readonly #restarts: Partial<Record<RestartReason, number>> = {};
  #running: Promise<void> | undefined;
  /** Where the watch goes on; undefined when a list is needed first. */
  #resourceVersion: string | undefined;
  #lists = 0;
  #listedAt = 0;
  #events = 0;
  #watching = false;
  #watchedSince = 0;
  /** Whether the present watch has delivered anything. */
  #heard = false;
  /** Whether the present watch has delivered a bookmark. */
  #bookmarked = false;
  /** When the present outage was last told in the log. */
  #toldAt: number | undefined;
  #lastSyncAt: number | undefined;
  #lastEventAt: number | undefined;

  constructor(options: ReflectorOptions<T, Kept>) {
    this.#options = options;
    this.#transform = options.transform ?? (withoutManagedFields as unknown as (object: T) => Kept);
    this.#random = options.random ?? Math.random;
    this.#refused = new Backoff({ ...REFUSED, random: this.#random });
    this.#unreached = new Backoff({ ...UNREACHED, random: this.#random });
    this.#room = new ItemRoom(options.limits ?? {});
    const { api, type, selection, pageSize = PAGE_SIZE } = options;
    this.#pager = new Pager({ api, type, selection, pageSize });
    this.#log = options.log.child({ resource: options.type.plural, ...options.selection });
    this.#notifier = new ChangeNotifier({
      items: this.#items,
      clock: options.clock,
      log: this.#log,
      ...(options.onChange ? { onChange: options.onChange } : {}),
    });
    this.synced = this.#notifier.first;
  }

  /** What is known of the objects, by `namespace/name` (bare name when cluster-scoped). Live: it changes as events come. */
  get items(): ReadonlyMap<string, Kept> {
    return this.#items;
  }

  /** Whether the first list has come. */
  get hasSynced(): boolean {
    return this.#lists > 0;
  }

  /** When the state was last known to be the server's, as Unix time in milliseconds. */
  get lastSyncAt(): number | undefined {
    return this.#lastSyncAt;
  }

  get stats(): ReflectorStats {
    return {
      restarts: { ...this.#restarts },
      lists: this.#lists,
      events: this.#events,
      leftOut: this.#leftOut.size,
      watching: this.#watching,
      lastSyncAt: this.#lastSyncAt,
      lastEventAt: this.#lastEventAt,
    };
  }

  /** Begins; a second call does nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends watch and waiting; `onChange` is not called after it. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the reflector was stopped'));
    this.#notifier.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const signal = this.#stopping.signal;
    while (!signal.aborted) {
      let wait: number;
      try {
        if (this.#resourceVersion === undefined) await this.#list();
        await this.#watch();
        wait = this.#afterEnd('closed', undefined);
      } catch (error) {
        if (signal.aborted) break;
        if (isGone(error)) this.#resourceVersion = undefined;
        wait = this.#afterEnd(restartReason(error), error);
      }
      await clock.sleep(wait, signal);
    }
    this.#watching = false;
  }

  #afterEnd(reason: RestartReason, error: unknown): number {
    this.#restarts[reason] = (this.#restarts[reason] ?? 0) + 1;
    if (this.#wasHealthy(error)) {
      this.#refused.reset();
      this.#toldAt = undefined;
    }
    this.#watching = false;
    const unreached = error instanceof KubeUnreachableError;
    if (!unreached) this.#unreached.reset();
    const backoff = unreached ? this.#unreached : this.#refused;
    const cap =
      reason === 'forbidden' && !this.hasSynced ? (this.#options.forbiddenCapMs ?? Infinity) : Infinity;
    const wait = Math.min(cap, backoff.next(error instanceof KubeError ? error.retryAfterMs : undefined));
    this.#report({ reason, attempt: backoff.attempts, retryInMs: Math.round(wait) }, error);
    return wait;
  }

  #wasHealthy(error: unknown): boolean {
    const lasted = this.#options.clock.now() - this.#watchedSince;
    return this.#watching && lasted >= HEALTHY_AFTER_MS && (!error || this.#heard);
  }

  #report(fields: Readonly<Record<string, unknown>>, error: unknown): void {
    const now = this.#options.clock.now();
    if (!error || isGone(error) || now - (this.#toldAt ?? -Infinity) < TELL_EVERY_MS) {
      this.#log.debug(error ? { ...fields, err: error } : fields, 'watch ended; trying again');
      return;
    }
    this.#toldAt = now;
    this.#log.warn({ ...fields, err: error }, 'watching the API server failed; trying again');
  }

  async #list(): Promise<void> {
    const listed = new Map<string, Listed<Kept> | undefined>();
    const room = new ItemRoom(this.#options.limits ?? {});
    this.#leftOut.clear();
    let resourceVersion = '';
    for await (const page of this.#pager.list(this.#stopping.signal)) {
      resourceVersion = page.resourceVersion;
      for (const object of page.items) {
        const key = objectKey(object);
        const news = this.#readNew(object);
        if (room.take(key, news ? news.kept?.object : this.#items.get(key))) listed.set(key, news);
        else this.#leaveOut(key);
      }
    }
    if (this.#stopping.signal.aborted) throw this.#stopping.signal.reason;
    this.#room = room;
    this.#resourceVersion = resourceVersion;
    this.#lists++;
    this.#listedAt = this.#options.clock.now();
    this.#replace(listed);
    this.#lastSyncAt = this.#options.clock.now();
    this.#log.debug({ objects: listed.size }, 'listed');
  }

  #leaveOut(key: string): void {
    if (this.#leftOut.size === 0)
      this.#log.warn(
        { key, reason: 'too-many-objects' },
        'there are more objects than are kept; some are left out',
      );
    // Their number is for people; it need not be exact beyond what can be read at a glance.
    if (this.#leftOut.size < MAX_COUNTED) this.#leftOut.add(key);
    this.#notifier.changed(key);
  }

  /** What to keep of a listed object, compact at once so that a big list is never held whole; undefined when nothing changed. */
  #readNew(object: T): Listed<Kept> | undefined {
    const version = object.metadata.resourceVersion ?? '';
    if (version !== '' && this.#versions.get(objectKey(object)) === version) return undefined;
    return { version, ...this.#read(object) };
  }

  #replace(listed: ReadonlyMap<string, Listed<Kept> | undefined>): void {
    for (const key of [...this.#items.keys()]) if (!listed.has(key)) this.#remove(key);
    for (const [key, object] of listed) if (object) this.#put(key, object);
    this.#notifier.listed();
  }

  async #watch(): Promise<void> {
    const { api, type, selection, clock } = this.#options;
    const timeoutSeconds = Math.round(
      WATCH_SECONDS.min + this.#random() * (WATCH_SECONDS.max - WATCH_SECONDS.min),
    );
    const deadline = new Deadline(clock, this.#stopping.signal);
    const stillThere = (): void => {
      const ms = this.#bookmarked ? SILENCE_WITH_BOOKMARKS_MS : timeoutSeconds * 1000 + SILENCE_GRACE_MS;
      deadline.within(ms, () => new SilentWatchError(`nothing came for ${Math.round(ms / 1000)} s`));
    };
    try {
      const resourceVersion = this.#resourceVersion ?? '';
      this.#watching = true;
      this.#heard = this.#bookmarked = false;
      this.#watchedSince = clock.now();
      stillThere();
      for await (const event of api.watch(
        type,
        { ...selection, resourceVersion, timeoutSeconds },
        { signal: deadline.signal },
      )) {
        this.#take(event);
        stillThere();
        if (this.#hasRoomAgain(event)) {
          this.#resourceVersion = undefined;
          return;
        }
      }
    } finally {
      deadline.clear();
    }
  }

  #take(event: WatchEvent<T>): void {
    this.#heard = true;
    this.#lastSyncAt = this.#options.clock.now();
    if (event.type === 'BOOKMARK') {
      this.#bookmarked = true;
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    const { object } = event;
    this.#events++;
    this.#lastEventAt = this.#lastSyncAt;
    if (event.type === 'DELETED') this.#remove(objectKey(object));
    else {
      const news = this.#readNew(object);
      if (news) this.#put(objectKey(object), news);
    }
    this.#resourceVersion = object.metadata.resourceVersion ?? this.#resourceVersion;
  }

  /** What was left out comes in by another list when something else has gone. */
  #hasRoomAgain({ type }: WatchEvent<T>): boolean {
    const isDue = this.#options.clock.now() - this.#listedAt >= LIST_AGAIN_AFTER_MS;
    return type === 'DELETED' && this.#leftOut.size > 0 && isDue;
  }

  #put(key: string, { version, kept }: Listed<Kept>): void {
    if (!kept) return this.#remove(key);
    if (!this.#room.take(key, kept.object)) {
      this.#remove(key);
      return this.#leaveOut(key);
    }
    this.#versions.set(key, version);
    this.#items.set(key, kept.object);
    this.#notifier.changed(key);
  }

  #read(object: T): { kept?: { object: Kept } } {
    try {
      return { kept: { object: this.#transform(object) } };
    } catch (error) {
      this.#log.error({ err: error, key: objectKey(object) }, 'an object could not be read and is left out');
      return {};
    }
  }

  #remove(key: string): void {
    this.#room.give(key);
    this.#leftOut.delete(key);
    this.#versions.delete(key);
    if (this.#items.delete(key)) this.#notifier.changed(key);
  }
}

/** Who wrote which field is a third of many objects, and nobody here reads it. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown };
  return managedFields === undefined ? object : { ...object, metadata };
}

import { FakeClock } from '#base/testing/clock.fake.ts';

import { noJournal } from '../../store/journal.ts';
import { ObjectStore } from '../../store/object-store.ts';
import type { ApiObject } from '../../store/object.ts';
import { BUILT_IN_KINDS } from '../built-in-kinds.ts';
import { EventTexts, Watch } from './watch.ts';

const [kind] = BUILT_IN_KINDS.filter(({ plural }) => plural === 'configmaps');
const map = (name: string, data: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'shop' },
  data,
});

/** A watch of ConfigMaps, and what it was sent. */
function opened(query: string, allPending = () => 0) {
  const clock = new FakeClock();
  const store = new ObjectStore(noJournal);
  store.put('/configmaps', map('first'));
  const sent: { type: string; object: ApiObject }[] = [];
  const sink = {
    ended: false,
    destroyed: false,
    pending: 0,
    write: (text: string) => void sent.push(JSON.parse(text) as (typeof sent)[number]),
    end: () => void (sink.ended = true),
    destroy: () => void (sink.destroyed = true),
  };
  const parameters = new URLSearchParams(`watch=true&resourceVersion=${store.version}&${query}`);
  const request = {
    ...{ method: 'GET', namespace: 'shop', name: undefined, subresource: undefined, query: parameters },
    ...{ kind: kind!, contentType: '', accept: '', userAgent: '', body: undefined },
    user: { username: 'somebody', groups: [] },
  };
  const watch = new Watch({ store, clock, texts: new EventTexts(), allPending }, request, sink);
  watch.start(parameters);
  const types = (): string[] => sent.map(({ type }) => type);
  return { clock, store, sent, sink, watch, types };
}

test('who asks for bookmarks is told the version every minute, whatever it was that changed', async () => {
  const { clock, store, sent } = opened('allowWatchBookmarks=true');
  store.put('/secrets', { ...map('other'), kind: 'Secret' });
  await clock.advance(60_000);
  // Nothing but the version: an old client may take it for an object.
  expect(sent).toEqual([
    {
      type: 'BOOKMARK',
      object: {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { resourceVersion: String(store.version), creationTimestamp: null },
      },
    },
  ]);
  await clock.advance(60_000);
  expect(sent).toHaveLength(2);
});

test.each(['', 'allowWatchBookmarks=false'])('who does not ask gets none (%s)', async (query) => {
  const { clock, sent, sink } = opened(`timeoutSeconds=300&${query}`);
  await clock.advance(299_000);
  expect(sent).toEqual([]);
  await clock.advance(1_000);
  expect([sent, sink.ended]).toEqual([[], true]);
});

test('a bookmark is never ahead of the events before it', async () => {
  const { clock, store, sent, types } = opened('allowWatchBookmarks=1');
  store.put('/configmaps', map('second'));
  await clock.advance(60_000);
  store.put('/configmaps', map('third'));
  await clock.advance(60_000);
  expect(types()).toEqual(['ADDED', 'BOOKMARK', 'ADDED', 'BOOKMARK']);
  const versions = sent.map(({ object }) => Number(object.metadata.resourceVersion));
  expect(versions).toEqual([versions[0], versions[0], versions[2], versions[2]]);
  expect(versions[2]).toBeGreaterThan(versions[0]!);
});

test('the last word of a watch is a bookmark, so that the next begins there', async () => {
  const { clock, store, sent, sink } = opened('allowWatchBookmarks=true&timeoutSeconds=5');
  store.put('/secrets', { ...map('other'), kind: 'Secret' });
  await clock.advance(5_000);
  expect(sent.map(({ type, object }) => [type, object.metadata.resourceVersion])).toEqual([
    ['BOOKMARK', String(store.version)],
  ]);
  expect(sink.ended).toBe(true);
  store.put('/configmaps', map('later'));
  expect(sent).toHaveLength(1);
  expect(clock.pendingTimers).toBe(0);
});

test('a client that is gone leaves neither timer nor listener', async () => {
  const { clock, store, sent, watch } = opened('allowWatchBookmarks=true');
  watch.stop();
  watch.stop();
  store.put('/configmaps', map('later'));
  await clock.advance(120_000);
  expect([sent, clock.pendingTimers]).toEqual([[], 0]);
});

test('a client that does not read is let go, and is told nothing more', async () => {
  const { clock, store, sent, sink } = opened('allowWatchBookmarks=true');
  sink.pending = 16 * 1024 * 1024 + 1;
  store.put('/configmaps', map('second'));
  store.put('/configmaps', map('third'));
  await clock.advance(120_000);
  expect([sent, sink.destroyed, clock.pendingTimers]).toEqual([[], true, 0]);
});

test('one that its client does not read is let go when all together have too much to send, and one that is read is not', () => {
  const slow = opened('', () => 200 * 1024 * 1024);
  slow.sink.pending = 2 * 1024 * 1024;
  slow.store.put('/configmaps', map('more'));
  expect(slow.sink.destroyed).toBe(true);
  const read = opened('', () => 200 * 1024 * 1024);
  read.sink.pending = 1_000;
  read.store.put('/configmaps', map('more'));
  expect(read.sink.destroyed).toBe(false);
});

import { Readable } from 'node:stream';

import { bodyChunks } from './body-chunks.ts';

async function read(body: Readable): Promise<string> {
  let text = '';
  for await (const chunk of bodyChunks(body)) text += chunk.toString();
  return text;
}

/** Like an HTTP/2 stream that the server has closed: it says so, while all that came waits to be read. */
function closedWith(text: string): Readable {
  const body = new Readable({ read: () => undefined });
  body.push(text);
  body.push(null);
  Object.defineProperty(body, 'closed', { value: true });
  return body;
}

test('a body that was closed before it is read is read to its end', async () => {
  expect(await read(closedWith('answer'))).toBe('answer');
});

test('a body is read as it comes', async () => {
  const body = new Readable({ read: () => undefined });
  const whole = read(body);
  for (const part of ['a', 'b', 'c']) {
    body.push(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  body.push(null);
  expect(await whole).toBe('abc');
});

test('an empty body has no chunks, also where it has ended before', async () => {
  const body = Readable.from([]);
  expect(await read(body)).toBe('');
  expect(await read(body)).toBe('');
});

test('what ends a body in the middle is thrown', async () => {
  const body = new Readable({ read: () => undefined });
  const whole = read(body);
  body.push('a');
  await new Promise((resolve) => setImmediate(resolve));
  body.destroy(new Error('reset'));
  await expect(whole).rejects.toThrow('reset');
  await expect(read(body)).rejects.toThrow('reset');
});

test('a body that is closed before its end is not taken for whole', async () => {
  const body = new Readable({ read: () => undefined });
  const whole = read(body);
  body.push('a');
  await new Promise((resolve) => setImmediate(resolve));
  body.destroy();
  await expect(whole).rejects.toThrow('it was closed before its end');
});

test('whoever stops reading closes the body', async () => {
  const body = new Readable({ read: () => undefined });
  body.push('a');
  for await (const chunk of bodyChunks(body)) {
    expect(chunk.toString()).toBe('a');
    break;
  }
  expect(body.destroyed).toBe(true);
});

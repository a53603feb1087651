import { expect, test } from '@jest/globals';
import { LineWriter, type WriteBytes } from './lineWriter.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

function writerOf(write: WriteBytes, waitingMax = 100) {
  return new LineWriter({ write, waitingMax, after: (ms, run) => setTimeout(run, ms) });
}

test('lines come out whole and in order, however little the other end takes at once', async () => {
  let out = '';
  let calls = 0;
  const writer = writerOf((piece, done) => {
    calls++;
    if (calls % 3 === 0) return void setImmediate(done, Object.assign(new Error('again'), { code: 'EAGAIN' }), 0);
    out += Buffer.from(piece.subarray(0, 5)).toString('latin1');
    setImmediate(done, null, Math.min(5, piece.length));
  });
  writer.push('one\n');
  writer.offer(bytes('two two two\n'));
  writer.push('three\n');
  await writer.flush(2000);
  expect(out).toBe('one\ntwo two two\nthree\n');
});

test('a reader that stands still makes access lines drop, never wait, and leaves room for our own log', async () => {
  const writer = writerOf(() => {});
  expect(writer.offer(bytes('x'.repeat(60)))).toBe(true); // being written
  expect(writer.offer(bytes('x'.repeat(60)))).toBe(true);
  expect(writer.offer(bytes('x'.repeat(60)))).toBe(false);
  writer.push('our own');
  const startedMs = performance.now();
  await writer.flush(30);
  expect(performance.now() - startedMs).toBeLessThan(2000);
});

test('a reader that is gone ends the log, not the gateway', async () => {
  let calls = 0;
  const writer = writerOf((_piece, done) => {
    calls++;
    setImmediate(done, Object.assign(new Error('gone'), { code: 'EPIPE' }), 0);
  });
  writer.push('a\n');
  await writer.flush(200);
  expect(writer.offer(bytes('b\n'))).toBe(false);
  expect(calls).toBe(1);
});

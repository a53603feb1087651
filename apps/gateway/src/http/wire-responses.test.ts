import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RawClient, say } from './testing/raw-client.ts';
import { startTestWire, type TestWire } from './testing/test-wire.ts';

let wire: TestWire;
beforeAll(async () => {
  wire = await startTestWire({ limits: { responseHeadBytes: 4096 } });
});
afterAll(() => wire.stop());
beforeEach(() => {
  wire.backend.reset();
  wire.records.length = 0;
});

const get = (target = '/x', method = 'GET', fields = ''): string => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
/** The backend says exactly this to `/x`, then closes if asked; other targets get `fine`. */
const answer = (bytes: string, close = false): void => {
  wire.backend.reply = (request, socket) => {
    if (request.target !== '/x') return 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine';
    socket.write(Buffer.from(bytes, 'latin1'));
    if (close) setTimeout(() => socket.end(), 20);
    return null;
  };
};
const body = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);

const BAD: readonly (readonly [string, string])[] = [
  ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok'],
  ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok'],
  ['a coding that is not chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['LF lines', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
  ['a folded field', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
  ['a NUL in a field', 'HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n'],
  ['CR in a field', 'HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n'],
  ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['a status below 100', 'HTTP/1.1 042 No\r\nContent-Length: 0\r\n\r\n'],
  ['101 that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
  ['bytes after 204', 'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['a bad chunk at once', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\n${'A: bbbbbbbb\r\n'.repeat(500)}`],
];

test.each(BAD)("an answer with %s is a 502, its connection is never used again, the client's is", async (_what, bytes) => {
  answer(bytes);
  const client = new RawClient(wire.port).send(get() + get('/y'));
  await client.answers(2);
  client.close();
  expect(client.statuses).toEqual([502, 200]);
  expect(client.text.endsWith('fine')).toBe(true);
  const [first, second] = wire.backend.seen;
  expect(second!.connection).not.toBe(first!.connection);
});

test('an upstream that closes without a word, or inside its head, is a 502', async () => {
  for (const bytes of ['', 'HTTP/1.1 200 OK\r\nContent-Le', 'HTTP/1.1 103 Early Hints\r\n\r\n']) {
    answer(bytes, true);
    const client = await new RawClient(wire.port).send(get('/x', 'POST')).answers(1);
    client.close();
    expect(client.statuses).toEqual([502]);
  }
});

const CUT: readonly (readonly [string, string])[] = [
  ['a counted body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort'],
  ['a chunked body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n'],
];

test.each(CUT)('%s that ends too soon looks cut to the client, never whole', async (_what, bytes) => {
  answer(bytes, true);
  const client = await new RawClient(wire.port).send(get()).end();
  expect(client.statuses).toEqual([200]);
  expect(body(client.text)).not.toMatch(/0\r\n\r\n$/);
  expect(client.text).not.toContain('502');
  expect(wire.records.at(-1)!.fault).not.toBeNull();
});

test('chunks that turn bad on the way cut the answer', async () => {
  wire.backend.reply = (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
    setTimeout(() => socket.write('nonsense\r\n'), 20);
    return null;
  };
  const client = await new RawClient(wire.port).send(get()).end();
  expect(body(client.text)).toBe('2\r\nok\r\n');
});

test('bytes beyond the answer go nowhere, and the connection with them', async () => {
  answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
  const client = await new RawClient(wire.port).send(get() + get('/y')).answers(2);
  client.close();
  expect(client.text).not.toContain('poison');
  expect(wire.backend.seen[0]!.connection).not.toBe(wire.backend.seen[1]!.connection);
});

test('bytes that come later on an idle connection are not the next answer', async () => {
  wire.backend.reply = (request, socket) => {
    if (request.target === '/x') setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'), 20);
    return 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine';
  };
  await new RawClient(wire.port).send(get()).answers(1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  const client = await new RawClient(wire.port).send(get('/y')).answers(1);
  expect(body(client.text)).toBe('fine');
});

test.each([204, 304])('%i has no body, whatever its head claims', async (status) => {
  answer(`HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\n`);
  const client = await new RawClient(wire.port).send(get() + get('/y')).answers(2);
  client.close();
  expect(client.statuses).toEqual([status, 200]);
});

test('an answer to HEAD keeps its length and has no body', async () => {
  answer('HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n');
  const client = new RawClient(wire.port).send(get('/x', 'HEAD'));
  await client.until((one) => one.text.includes('\r\n\r\n'));
  client.send(get('/y'));
  await client.until((one) => one.statuses.length === 2 && one.text.endsWith('fine'));
  client.close();
  expect(client.text).toContain('Content-Length: 42\r\n');
});

test('an answer that ends with its connection becomes a chunked one', async () => {
  answer('HTTP/1.1 200 OK\r\n\r\nuntil the end', true);
  const client = await new RawClient(wire.port).send(get() + get('/y')).answers(2);
  client.close();
  expect(client.text).toContain('Transfer-Encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n');
});

test('a chunked answer of many small chunks arrives whole, cut anywhere', async () => {
  const chunks = `${Array.from({ length: 50 }, (_, i) => `1;n=${i}\r\n${String.fromCharCode(65 + (i % 26))}\r\n`).join('')}0\r\nX-T: 1\r\n\r\n`;
  const bytes = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`;
  for (let cut = 40; cut < bytes.length; cut += 37) {
    wire.backend.reply = (_request, socket) => {
      socket.write(bytes.slice(0, cut));
      setTimeout(() => socket.write(bytes.slice(cut)), 3);
      return null;
    };
    const client = await new RawClient(wire.port).send(get()).answers(1);
    client.close();
    const decoded = body(client.text).replace(/[0-9a-f]+\r\n([A-Z]*)\r\n/g, '$1');
    expect(decoded).toBe(`${Array.from({ length: 50 }, (_, i) => String.fromCharCode(65 + (i % 26))).join('')}`);
  }
});

test('trailers of an answer reach only a client that asked for them', async () => {
  const bytes = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n';
  answer(bytes);
  expect((await say(wire.port, get())).text).toMatch(/ok\r\n0\r\n\r\n$/);
  expect((await say(wire.port, get('/x', 'GET', 'TE: trailers\r\nConnection: TE\r\n'))).text).toMatch(
    /ok\r\n0\r\nX-Sum: 1\r\n\r\n$/,
  );
});

test('early hints pass, 100 does not, and both are followed by the answer', async () => {
  answer(
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  );
  const client = await new RawClient(wire.port).send(get()).answers(1);
  client.close();
  expect(client.text).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK/);
  answer('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  expect((await say(wire.port, 'GET /x HTTP/1.0\r\nHost: a\r\n\r\n')).text).not.toContain('103');
});

test('an answer that comes before the request is whole is relayed, and the connection ends', async () => {
  wire.backend.sockets.clear();
  const early = 'HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno';
  const { createServer } = await import('node:net');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(early));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const other = await startTestWire({
    upstream: { targets: [{ url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, weight: 1 }] },
  });
  const client = new RawClient(other.port).send('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc');
  await client.answers(1);
  expect(client.text).toContain('Connection: close\r\n');
  await client.send('more of it').end();
  expect(client.statuses).toEqual([413]);
  await other.stop();
  server.close();
});

test('a large body goes through whole, however slowly the client reads, in bounded memory', async () => {
  const size = 24 * 1024 * 1024;
  const block = Buffer.alloc(64 * 1024, 'x');
  let written = 0;
  wire.backend.reply = (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    const more = (): void => {
      while (written < size) {
        written += block.length;
        if (!socket.write(block)) {
          socket.once('drain', more);
          return;
        }
      }
    };
    more();
    return null;
  };
  const client = new RawClient(wire.port);
  let got = 0;
  client.socket.removeAllListeners('data');
  client.socket.pause();
  client.send(get());
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Kernel buffers on two connections and a few of ours; not the whole body.
  expect(written).toBeLessThan(size / 2);
  client.socket.on('data', (chunk) => {
    got += chunk.length;
  });
  client.socket.resume();
  for (let i = 0; i < 200 && got < size; i++) await new Promise((resolve) => setTimeout(resolve, 20));
  client.close();
  expect(got).toBeGreaterThan(size);
});

test('a large upload waits for a slow upstream and arrives whole', async () => {
  const size = 8 * 1024 * 1024;
  const { createServer } = await import('node:net');
  let got = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pause();
    setTimeout(() => socket.resume(), 200);
    socket.on('data', (chunk) => {
      got += chunk.length;
      if (got > size) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const other = await startTestWire({
    upstream: { targets: [{ url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, weight: 1 }] },
  });
  const client = new RawClient(other.port)
    .send(`POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
    .send(Buffer.alloc(size, 'y'));
  await client.answers(1, 5000);
  expect(client.statuses).toEqual([200]);
  client.close();
  await other.stop();
  server.close();
});

test('a client that pipelines and never reads gets no more answers than its window holds', async () => {
  const page = 'z'.repeat(60_000);
  wire.backend.reply = () => `HTTP/1.1 200 OK\r\nContent-Length: ${page.length}\r\n\r\n${page}`;
  const client = new RawClient(wire.port);
  client.socket.pause();
  client.send(get().repeat(500));
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(wire.backend.seen.length).toBeLessThan(400);
  client.close();
});

import net from 'node:net';

/** One request as a strict reader understood it. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  /** Lower-case names in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: string;
  /** Number of the connection it came on. */
  readonly connection: number;
}

export type Reply = (request: Seen, socket: net.Socket) => string | Buffer | null;

const HEAD =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n/;

/**
 * An upstream that reads with regular expressions and no mercy, on purpose not the gateway's own parser: whatever it cannot read
 * is noted in `invalid`, because a gateway that lets it through has let something through.
 */
export class RecordingBackend {
  readonly seen: Seen[] = [];
  readonly invalid: string[] = [];
  readonly sockets = new Set<net.Socket>();
  connections = 0;
  reply: Reply = () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  readonly #server = net.createServer((socket) => this.#serve(socket));

  static async start(): Promise<RecordingBackend> {
    const backend = new RecordingBackend();
    await new Promise<void>((resolve) => backend.#server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  reset(): void {
    this.seen.length = 0;
    this.invalid.length = 0;
    this.reply = () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: net.Socket): void {
    const connection = ++this.connections;
    this.sockets.add(socket);
    let buffered = '';
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1');
      for (;;) {
        const taken = this.#one(buffered, connection, socket);
        if (taken < 0) socket.destroy();
        if (taken <= 0) return;
        buffered = buffered.slice(taken);
      }
    });
  }

  /** Characters used by one whole request, 0 if it is not whole, -1 if it is none. */
  #one(text: string, connection: number, socket: net.Socket): number {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return 0;
    const match = HEAD.exec(text);
    if (match === null || match[0].length !== end + 4) return this.#bad(`head ${JSON.stringify(text.slice(0, 200))}`);
    const headers = match[3]!
      .split('\r\n')
      .slice(0, -1)
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')] as const;
      });
    const all = (name: string): string[] => headers.filter(([key]) => key === name).map(([, value]) => value);
    if (all('host').length !== 1) return this.#bad(`${all('host').length} Host fields`);
    const lengths = all('content-length');
    const codings = all('transfer-encoding');
    if (lengths.length + codings.length > 1) return this.#bad('more than one framing');
    let body = '';
    let trailers = '';
    let used = match[0].length;
    if (codings.length === 1) {
      if (codings[0] !== 'chunked') return this.#bad(`coding ${codings[0]}`);
      const chunks = readChunks(text, used);
      if (chunks === null) return 0;
      if (typeof chunks === 'string') return this.#bad(chunks);
      ({ body, trailers, used } = chunks);
    } else if (lengths.length === 1) {
      if (!/^(?:0|[1-9][0-9]*)$/.test(lengths[0]!)) return this.#bad(`length ${lengths[0]}`);
      const length = Number(lengths[0]);
      if (text.length < used + length) return 0;
      body = text.slice(used, used + length);
      used += length;
    }
    const request: Seen = { method: match[1]!, target: match[2]!, headers, body, trailers, connection };
    this.seen.push(request);
    const reply = this.reply(request, socket);
    if (reply !== null) socket.write(typeof reply === 'string' ? Buffer.from(reply, 'latin1') : reply);
    return used;
  }

  #bad(why: string): -1 {
    this.invalid.push(why);
    return -1;
  }
}

function readChunks(text: string, from: number): { body: string; trailers: string; used: number } | string | null {
  let at = from;
  let body = '';
  for (;;) {
    const line = text.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = text.slice(at, line);
    if (!/^[0-9a-f]{1,8}$/.test(size)) return `chunk size ${JSON.stringify(size)}`;
    const length = Number.parseInt(size, 16);
    at = line + 2;
    if (length === 0) {
      if (text.startsWith('\r\n', at)) return { body, trailers: '', used: at + 2 };
      const end = text.indexOf('\r\n\r\n', at);
      return end < 0 ? null : { body, trailers: text.slice(at, end + 2), used: end + 4 };
    }
    if (text.length < at + length + 2) return null;
    if (text.slice(at + length, at + length + 2) !== '\r\n') return 'chunk without its CRLF';
    body += text.slice(at, at + length);
    at += length + 2;
  }
}

/** Value of the only field of that name, or undefined. */
export const field = (request: Seen | undefined, name: string): string | undefined =>
  request?.headers.find(([key]) => key === name)?.[1];

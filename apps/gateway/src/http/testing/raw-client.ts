import net from 'node:net';

/** A client that says exactly the bytes it is given. */
export class RawClient {
  text = '';
  /** The other side ended or broke the connection. */
  ended = false;
  broken = false;
  readonly socket: net.Socket;
  #wake: (() => void) | null = null;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const wake = () => {
      this.#wake?.();
      this.#wake = null;
    };
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1');
      wake();
    });
    this.socket.on('end', () => {
      this.ended = true;
      wake();
    });
    this.socket.on('error', () => {
      this.broken = true;
      wake();
    });
    this.socket.on('close', () => {
      this.ended = true;
      wake();
    });
  }

  send(data: string | Buffer): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    return this;
  }

  /** Resolves when `done` holds, rejects after `withinMs` with what was read so far. */
  async until(done: (client: this) => boolean, withinMs = 3000): Promise<this> {
    const timer = setTimeout(() => {
      this.#wake?.();
    }, withinMs);
    const endMs = performance.now() + withinMs - 5;
    try {
      while (!done(this)) {
        if (performance.now() >= endMs)
          throw new Error(`not in time; read ${JSON.stringify(this.text.slice(-400))}, ended ${this.ended}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
    return this;
  }

  answers(count: number, withinMs?: number): Promise<this> {
    return this.until((client) => client.statuses.length >= count && complete(client.text, count), withinMs);
  }

  end(withinMs?: number): Promise<this> {
    return this.until((client) => client.ended, withinMs);
  }

  /** Final statuses, in order. */
  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 ([0-9]{3})/g)].map((match) => Number(match[1])).filter((status) => status >= 200);
  }

  close(): void {
    this.socket.destroy();
  }

  /** Leaves at once, without the politeness of a FIN. */
  reset(): void {
    if (!this.socket.destroyed) this.socket.resetAndDestroy();
  }
}

/** Whether `count` whole final answers are in `text` (counted ones and chunked ones; none to HEAD). */
function complete(text: string, count: number): boolean {
  let at = 0;
  for (let seen = 0; seen < count; ) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end < 0) return false;
    const head = text.slice(at, end).toLowerCase();
    at = end + 4;
    if (/^http\/1\.1 1/.test(head)) continue;
    seen++;
    const length = /\r\ncontent-length: *([0-9]+)/.exec(head);
    if (length !== null && !/^http\/1\.1 (?:204|304)/.test(head)) at += Number(length[1]);
    else if (head.includes('\r\ntransfer-encoding: chunked')) {
      const last = text.indexOf('0\r\n\r\n', at);
      if (last < 0) return false;
      at = last + 5;
    }
    if (at > text.length) return false;
  }
  return true;
}

/** One connection, one write, everything that comes back: from the first byte on until `idleMs` of silence or the end. */
export async function say(port: number, data: string | Buffer, idleMs = 60): Promise<RawClient> {
  const client = new RawClient(port).send(data);
  let length = -1;
  await client.until((one) => one.ended || one.text !== '');
  while (!client.ended && length !== client.text.length) {
    length = client.text.length;
    await client.until((one) => one.ended || one.text.length !== length, idleMs).catch(() => {});
  }
  client.close();
  return client;
}

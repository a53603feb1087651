import type { BodyProof } from '../seam.ts';
import type { ClientInput } from './client-input.ts';
import { joined } from './message.ts';
import type { RequestBody } from './request-body.ts';

/** A request body that stays here until all of it has come and has proven to be the one that was signed. */
export class HeldBody {
  readonly #proof: BodyProof;
  readonly #pieces: Buffer[] = [];
  #whole: Buffer | null = null;

  constructor(proof: BodyProof) {
    this.#proof = proof;
  }

  /** Takes what has come of `body`: 0, or a fault. The input's buffer is overwritten by the next read, hence the copy. */
  take(body: RequestBody, input: ClientInput): number {
    const { buf } = input;
    const fault = body.take(input);
    if (fault !== 0) return fault;
    if (buf !== null && body.to > body.from) this.#pieces.push(Buffer.from(buf.subarray(body.from, body.to)));
    return 0;
  }

  /** To be asked when the body is there. null: it may go on. */
  refusal(): ReturnType<BodyProof['refusal']> {
    this.#whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    return this.#proof.refusal(this.#whole);
  }

  /** The whole request. Trailers end here: no signature covers them. */
  message(head: string, isChunked: boolean): string | Buffer {
    const bytes = this.#whole!;
    if (!isChunked) return joined(head, bytes, 0, bytes.length, '');
    if (bytes.length === 0) return `${head}0\r\n\r\n`;
    return joined(`${head}${bytes.length.toString(16)}\r\n`, bytes, 0, bytes.length, '\r\n0\r\n\r\n');
  }
}

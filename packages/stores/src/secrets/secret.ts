import { inspect } from 'node:util';

/** Bytes that cannot be printed by accident: JSON, template strings, `console.log` and error causes show `[secret]`. */
export class Secret {
  readonly #bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Secret {
    return new Secret(Buffer.from(text, 'utf8'));
  }

  /** Copies: later changes to `bytes` do not reach the secret. */
  static fromBytes(bytes: Uint8Array): Secret {
    return new Secret(Buffer.from(bytes));
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  reveal(): string {
    return this.#bytes.toString('utf8');
  }

  /** A copy. */
  revealBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

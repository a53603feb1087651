/** Two 32-bit lanes over a subject's characters, keyed with a seed drawn at start, so that nobody can aim at a bucket. */
export class SubjectHash {
  readonly #seedA: number;
  readonly #seedB: number;
  a = 0;
  b = 0;

  constructor(seedA: number, seedB: number) {
    this.#seedA = seedA | 0;
    this.#seedB = seedB | 0;
  }

  of(prefix: number, subject: string): void {
    let a = this.#seedA ^ Math.imul(prefix | 0, 0x9e3779b1);
    let b = this.#seedB ^ Math.imul(prefix | 0, 0x85ebca77);
    for (let i = 0; i < subject.length; i++) {
      const code = subject.charCodeAt(i);
      a = Math.imul(a ^ code, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul(b ^ code, 0xc2b2ae3d);
      b ^= b >>> 13;
    }
    a = Math.imul(a ^ (a >>> 16) ^ subject.length, 0x21f0aaad);
    b = Math.imul(b ^ (b >>> 15) ^ a, 0x735a2d97);
    this.a = a ^ (a >>> 15);
    this.b = b ^ (b >>> 16);
  }
}

const escaped = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

/** A histogram by route. Not prom-client's: that takes single observations only, and the workers have counted already. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #boundsS: readonly number[];
  readonly #series = new Map<string, { readonly buckets: number[]; sumS: number }>();

  constructor(name: string, help: string, boundsS: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#boundsS = boundsS;
  }

  /** `buckets`: one count per bound and one above, not cumulative. */
  add(route: string, buckets: readonly number[], sumS: number): void {
    let series = this.#series.get(route);
    if (series === undefined) {
      series = { buckets: Array.from({ length: this.#boundsS.length + 1 }, () => 0), sumS: 0 };
      this.#series.set(route, series);
    }
    for (const [i, count] of buckets.entries()) series.buckets[i] = (series.buckets[i] ?? 0) + count;
    series.sumS += sumS;
  }

  /** Prometheus text format 0.0.4. */
  text(): string {
    const name = this.#name;
    const lines = [`# HELP ${name} ${this.#help}`, `# TYPE ${name} histogram`];
    for (const [route, { buckets, sumS }] of this.#series) {
      const label = `route="${escaped(route)}"`;
      let sum = 0;
      for (const [i, bound] of [...this.#boundsS, '+Inf'].entries()) {
        sum += buckets[i] ?? 0;
        lines.push(`${name}_bucket{le="${bound}",${label}} ${sum}`);
      }
      lines.push(`${name}_sum{${label}} ${sumS}`, `${name}_count{${label}} ${sum}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

/** What a worker and main do for logs, metrics and spans, in one thread: its whole price is paid where the requests are served. */
import { randomFillSync } from 'node:crypto';
import { openSync, write } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import { TracePool } from '../src/http/trace.ts';
import type { Record as RecordExchange } from '../src/seam.ts';
import { parseAccessPolicy } from '../src/telemetry/accessPolicy.ts';
import { LineWriter } from '../src/telemetry/lineWriter.ts';
import { SpanExporter } from '../src/telemetry/otlp.ts';
import { type Parcels, Recorder } from '../src/telemetry/recorder.ts';
import { Meter } from '../src/worker/meter.ts';

export interface BenchTelemetry {
  readonly record: RecordExchange;
  readonly traceRatio: number;
  monotonicMs(): number;
}

const after = (ms: number, run: () => void) => setTimeout(run, ms);

/** `BENCH_TELEMETRY`: `off` (not even a clock is read), else an access log as FLUXGATE_ACCESS_LOG has it; with BENCH_OTLP spans too. */
export function benchTelemetry(env: Readonly<Record<string, string | undefined>>): BenchTelemetry {
  const mode = env['BENCH_TELEMETRY'] ?? 'refusals';
  if (mode === 'off') {
    let nowMs = performance.now();
    setInterval(() => {
      nowMs = performance.now();
    }, 25).unref();
    return { record: () => {}, traceRatio: 0, monotonicMs: () => nowMs };
  }
  const meter = new Meter();
  const ids = new TracePool(randomFillSync);
  const { port1: worker, port2: main } = new MessageChannel();
  const url = env['BENCH_OTLP'];
  const sink = openSync(env['BENCH_LOG'] ?? '/dev/null', 'w');
  const lines = new LineWriter({ write: (bytes, done) => write(sink, bytes, done), after, waitingMax: 8 << 20 });
  let dropped = 0;
  const exporter =
    url === undefined
      ? null
      : new SpanExporter({
          target: { url: `${url}/v1/traces`, headers: {} },
          resource: { 'service.name': 'bench' },
          version: '0',
          nowMs: Date.now,
          after,
          random: Math.random,
          onExported() {},
          onDropped: (spans) => {
            dropped += spans;
          },
          onState() {},
        });
  const recorder = new Recorder({
    access: parseAccessPolicy(mode) ?? { mode: 'refusals', oneIn: 1 },
    spans: url !== undefined,
    spanId: () => ids.spanId(),
    wallMs: Date.now,
    send: (parcels) => worker.postMessage(parcels),
  });
  main.on('message', (parcels: Parcels) => {
    dropped += parcels.droppedLines + parcels.droppedSpans;
    if (parcels.lines !== null && !lines.offer(parcels.lines.bytes)) dropped += parcels.lines.count;
    if (parcels.spans !== null) exporter?.offer(parcels.spans);
    recorder.confirm(parcels.lines?.bytes.length ?? 0, parcels.spans?.bytes.length ?? 0);
  });
  main.unref();
  setInterval(() => {
    worker.postMessage({ lines: null, spans: null, droppedLines: 0, droppedSpans: 0, report: meter.take() });
    recorder.flush();
    recorder.newSecond();
  }, 1000).unref();
  process.on('exit', () => {
    if (dropped > 0) console.error(`telemetry (${mode}): ${dropped} lines and spans dropped`);
  });
  return {
    record: (exchange) => {
      meter.record(exchange);
      recorder.record(exchange);
    },
    traceRatio: Number(env['BENCH_TRACE_RATIO'] ?? 1),
    monotonicMs: () => performance.now(),
  };
}

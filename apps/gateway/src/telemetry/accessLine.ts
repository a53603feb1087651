import type { Recorded } from '../seam.ts';
import { jsonMs, jsonName, jsonNameOrNull, jsonString } from './json.ts';
import { scrub } from './scrub.ts';

const PATH_CHARS_MAX = 2048;
const TEXT_CHARS_MAX = 512;
const METHOD_CHARS_MAX = 32;
const HOST_CHARS_MAX = 255;

/** ISO 8601 with milliseconds; the date is worked out once a second. */
export class Timestamps {
  #second = Number.NaN;
  #prefix = '';
  #lastMs = Number.NaN;
  #last = '';

  /** `nowMs`: whole milliseconds since 1970. */
  text(nowMs: number): string {
    if (nowMs === this.#lastMs) return this.#last;
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const ms = nowMs - second * 1000;
    this.#lastMs = nowMs;
    this.#last = `${this.#prefix}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
    return this.#last;
  }
}

const cleaned = (text: string, most: number): string => {
  const clean = scrub(text);
  return clean.length > most ? `${clean.slice(0, most)}…` : clean;
};

const name = (text: string, most: number): string => (text.length > most ? jsonString(cleaned(text, most)) : jsonName(text));

// Plain additions below: this runs for every logged request.
// biome-ignore-start lint/style/useTemplate: see above

/**
 * One line of the access log, as pino would write it. Neither query nor headers: only what is named here. Paths and reasons are
 * searched for keys and tokens before they are cut. `time` is of the end of the request; `span` may be empty.
 */
export function accessLine(recorded: Recorded, time: string, span: string): string {
  const { facts, decision } = recorded;
  const answered = decision !== null && decision.kind === 'answer' ? decision : null;
  const route = decision === null || decision.route === null ? null : decision.route.name;
  const principal = decision === null ? null : (decision.principal ?? null);
  const kid = decision === null ? null : (decision.kid ?? null);
  const traceId = facts === null ? (recorded.traceId ?? null) : facts.traceId;
  const client = facts === null ? (recorded.clientText ?? null) : facts.clientText;
  return (
    '{"level":"info","time":"' +
    time +
    '","access":{"trace_id":' +
    (traceId === null ? 'null' : '"' + traceId + '"') +
    ',"span":' +
    (span === '' ? 'null' : '"' + span + '"') +
    ',"client":' +
    jsonNameOrNull(client) +
    ',"method":' +
    (facts === null ? 'null' : name(facts.method, METHOD_CHARS_MAX)) +
    ',"host":' +
    (facts === null ? 'null' : name(facts.host, HOST_CHARS_MAX)) +
    ',"path":' +
    (facts === null ? 'null' : jsonString(cleaned(facts.path, PATH_CHARS_MAX))) +
    ',"route":' +
    jsonNameOrNull(route) +
    ',"status":' +
    recorded.status +
    ',"code":' +
    jsonNameOrNull(answered === null ? null : answered.code) +
    (answered === null || answered.because === '' ? '' : ',"because":' + jsonString(cleaned(answered.because, TEXT_CHARS_MAX))) +
    ',"principal":' +
    (principal === null ? 'null' : name(principal, TEXT_CHARS_MAX)) +
    ',"kid":' +
    jsonNameOrNull(kid) +
    ',"upstream":' +
    jsonNameOrNull(recorded.upstreamTarget) +
    ',"duration_ms":' +
    jsonMs(recorded.durationMs) +
    ',"upstream_first_byte_ms":' +
    (recorded.firstByteMs === 0 ? 'null' : jsonMs(recorded.firstByteMs - recorded.handedMs)) +
    ',"bytes_in":' +
    recorded.bytesIn +
    ',"bytes_out":' +
    recorded.bytesOut +
    (recorded.fault === null ? '' : ',"fault":' + jsonString(cleaned(recorded.fault, TEXT_CHARS_MAX))) +
    '},"msg":"request"}\n'
  );
}

// biome-ignore-end lint/style/useTemplate: see above

import type { ChunkedDecoder } from './chunked.ts';
import { FAULT } from './faults.ts';
import { foldedName } from './grammar.ts';
import { HeadScanner } from './head-scanner.ts';
import { KIND, type NameTable } from './names.ts';

const scanner = new HeadScanner({ headBytes: 8192, fields: 32, targetBytes: 0 });

/** RFC 9110 §6.5.1: what decides framing, routing, access or meaning of the content has no place after the content. */
const FORBIDDEN =
  /^(?:authorization|cookie2?|set-cookie|www-authenticate|host|age|cache-control|expires|date|location|retry-after|vary|warning|pragma|range|max-forwards|expect|content-.*|if-.*|accept.*|proxy-.*|x-forwarded-.*|x-api-key)$/;

/** The trailer section as it may travel on (lines, without the final empty line), or a fault. Forbidden fields are left out. */
export function trailerLines(
  decoder: ChunkedDecoder,
  names: NameTable,
  dropped: (normalisedName: string) => boolean,
): string | number {
  const bytes = decoder.trailers;
  if (bytes === null) return '';
  scanner.reset();
  const length = scanner.scanTrailers(bytes, 0, bytes.length, names);
  if (length !== bytes.length) return FAULT.trailer;
  const text = Buffer.from(bytes).toString('latin1');
  let out = '';
  for (let i = 0; i < scanner.count; i++) {
    const name = foldedName(scanner.name(text, i));
    if (scanner.kind(i) !== KIND.other || FORBIDDEN.test(name) || dropped(name)) continue;
    out += `${scanner.name(text, i)}: ${scanner.value(text, i)}\r\n`;
  }
  return out;
}

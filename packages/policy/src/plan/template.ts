/** An error body with `{{.TraceID}}` and `{{.Reason}}`, taken apart once. */
export interface CompiledTemplate {
  /** Both values are JSON-escaped, so that a body that is JSON stays JSON. */
  render(traceId: string, reason: string): string;
}

const PLACEHOLDER = /\{\{\s*\.(TraceID|Reason)\s*\}\}/g;

/** The inside of a JSON string. */
function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

export function compileTemplate(text: string): CompiledTemplate {
  const literals: string[] = [];
  const slots: ('TraceID' | 'Reason')[] = [];
  let from = 0;
  for (const found of text.matchAll(PLACEHOLDER)) {
    literals.push(text.slice(from, found.index));
    slots.push(found[1] as 'TraceID' | 'Reason');
    from = found.index + found[0].length;
  }
  literals.push(text.slice(from));
  return Object.freeze({
    render: (traceId: string, reason: string): string => {
      let out = literals[0] as string;
      for (let i = 0; i < slots.length; i += 1) {
        out += escapeJson(slots[i] === 'TraceID' ? traceId : reason) + (literals[i + 1] as string);
      }
      return out;
    },
  });
}

/** Placeholders that nobody fills, e.g. `{{.TraceId}}`: for the judge of configurations. */
export function unknownPlaceholders(text: string): readonly string[] {
  return (text.match(/\{\{[^{}]*\}\}/g) ?? []).filter((one) => !/^\{\{\s*\.(TraceID|Reason)\s*\}\}$/.test(one));
}
